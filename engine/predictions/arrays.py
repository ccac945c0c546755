"""Predictions in an array of NumPy: scores, best classes or the best class of each row, with labels beside them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.predictions.cells import classes_of_answers, classes_of_labels, is_text
from gapscope.predictions.columns import LABELS, PREDICTED, SCORES, TOP, found
from gapscope.predictions.files import ARCHIVE, ARRAY, read_array, read_table, suffix_of
from gapscope.predictions.names import names_beside, numbered, words_in
from gapscope.predictions.numbering import check_numbering
from gapscope.predictions.scores import answers_of, as_logarithms
from gapscope.predictions.table import Predictions


def is_array(place: Location) -> bool:
    """Whether `place` is an array, or an archive of them, without any labels of its own."""
    if suffix_of(place) == ARCHIVE and place.exists():
        return not found(read_table(place).schema, LABELS)
    return suffix_of(place) == ARRAY


def predictions_of_array(
    place: Location, called: tuple[str, str, str], class_names: Sequence[str], labels: str, *, bare: bool = False
) -> Predictions:
    """The predictions in the array at `place`, of a model on a dataset's split as `called`; `bare` ones need no labels.

    Raises
    ------
    InputError
        There are no labels, or not one for each row, or a cell is none of the classes.
    """
    where = str(place)
    array = _array(place)
    if not labels and not bare:
        raise InputError(f"{where} has no labels; name an .npy or text file with the class of each row as its labels")
    given = read_labels_of_rows(Location.of(labels)) if labels else unlabelled(len(array))
    if len(given) != len(array):
        raise InputError(
            f"{where} has {counted(len(array), 'row')} but {labels} has {counted(len(given), 'label')}; "
            "they must be equal"
        )
    if not len(array):
        raise InputError(f"{where} has no row; give a row an image")
    names = tuple(class_names) or names_beside(place)
    rows = np.arange(len(array), dtype=np.int64)
    if array.dtype.kind in "iuU":
        answers = _column(array)
        known = names or words_in([given, answers]) or numbered(_classes(given, array))
        label = classes_of_labels(given, known, labels, "labels")
        top = classes_of_answers(answers, known, where, "predictions")
        if not names and array.dtype.kind != "U":
            check_numbering(label, top, where, "predictions")
        return Predictions(*called, known, rows, label.astype(np.int32), top)
    scores = as_logarithms(array, where)
    names = names or numbered(scores.shape[1])
    if scores.shape[1] != len(names):
        raise InputError(
            f"{where} has scores of {counted(scores.shape[1], 'class', 'classes')}, {len(names)} classes are named"
        )
    label = classes_of_labels(given, names, labels, "labels")
    return Predictions(*called, names, rows, label.astype(np.int32), *answers_of(scores, label), scores)


def unlabelled(rows: int) -> pa.ChunkedArray:
    """A column of labels that nobody has given."""
    return pa.chunked_array([pa.nulls(rows, pa.int64())])


def _array(place: Location) -> np.ndarray:
    if suffix_of(place) == ARRAY:
        array = read_array(place)
    else:
        with place.open_input() as file, np.load(file, allow_pickle=False) as arrays:
            array = arrays[_name_in(place)]
    if array.ndim not in (1, 2) or array.dtype.kind not in "iufU":
        raise InputError(
            f"{place} holds {array.dtype} of shape {array.shape}; give the best class of each row (n,), the best ones "
            "(n, t), or scores (n, classes)"
        )
    return array


def _name_in(place: Location) -> str:
    """The array of an archive that holds the predictions: the only one, or the one with a usual name."""
    schema = read_table(place).schema
    usual = found(schema, (*SCORES, *TOP, *PREDICTED)) or schema.names
    if not schema.names or (len(schema.names) > 1 and usual == schema.names):
        raise InputError(f"{place} has the arrays {', '.join(schema.names) or 'of no name'}; call that of the scores "
                         "logits or probabilities, that of the answers predicted")  # fmt: skip
    return usual[0]


def _column(array: np.ndarray) -> pa.ChunkedArray:
    if array.ndim == 1:
        return pa.chunked_array([pa.array(array)])
    flat = pa.array(np.ascontiguousarray(array).reshape(-1))
    return pa.chunked_array([pa.FixedSizeListArray.from_arrays(flat, array.shape[1])])


def _classes(label: pa.ChunkedArray, answers: np.ndarray) -> int:
    """One more than the largest class number."""
    numbers = label.drop_null().to_numpy() if not is_text(label.type) else np.zeros(1)
    return 1 + int(max(np.nanmax(numbers, initial=0), answers.max(initial=0)))


def read_labels_of_rows(place: Location) -> pa.ChunkedArray:
    """The class of each row, by number or name: an ``.npy`` file, or a text file with blanks between the classes.

    Raises
    ------
    InputError
        There is no such file, or it holds something else.
    """
    if suffix_of(place) == ARRAY:
        result = np.asarray(read_array(place))
    elif not place.exists():
        raise InputError(f"there is no file of labels at {place}")
    else:
        words = place.read_text().split()
        whole = all(word.lstrip("-").isdigit() for word in words)
        result = np.array(words, np.int64 if whole else str)
    if result.ndim != 1 or result.dtype.kind not in "iufU":
        raise InputError(f"{place} must hold one class for each row, it holds {result.dtype} {result.shape}")
    return pa.chunked_array([pa.array(result)])

"""Predictions from anybody's files: run folders, tables of one or of many models, arrays of scores."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.predictions.arrays import is_array, predictions_of_array, unlabelled
from gapscope.predictions.cells import (
    classes_of_answers,
    classes_of_labels,
    is_list,
    is_text,
    lists_of_numbers,
    numbers_of,
)
from gapscope.predictions.columns import (
    DIGEST,
    IDS,
    LABELS,
    PROBABILITIES,
    SYNTHETIC,
    Columns,
    Models,
    columns_of,
    found,
    models_of,
    names_in,
    plain,
)
from gapscope.predictions.files import ARCHIVE, read_rows, read_table, suffix_of
from gapscope.predictions.images import check_ids, ids_of_names
from gapscope.predictions.names import are_numbers, names_beside, numbered, words_in
from gapscope.predictions.numbering import check_numbering
from gapscope.predictions.origin import check_origin
from gapscope.predictions.run import found_by_parts, is_run, models_in_run, predictions_of_run
from gapscope.predictions.scores import answers_of, as_logarithms
from gapscope.predictions.table import UNLABELLED, Predictions


def read_predictions(
    place: str,
    *,
    model: str = "",
    dataset: str = "",
    split: str = "",
    class_names: Sequence[str] = (),
    labels: str = "",
    bare: bool = False,
) -> Predictions:
    """One model's predictions for one set.

    Parameters
    ----------
    place
        A run folder or a folder of its predictions; a Parquet, CSV, TSV, JSON, JSON-lines or ``.npz`` table with a
        column ``label``; or an ``.npy`` file of scores ``(n, k)``, best classes ``(n, t)`` or best class ``(n,)``.
        Other usual names of columns are known (`gapscope.predictions.columns`). Images are known by the column
        ``sample_id``, ``image``, ``path`` or ``id``, and by their row where there is none.
    model
        In a wide table, which has a column of best classes for each model, that column; otherwise the model's name.
    dataset, split
        What to call the set; in a run with several, which one to read.
    class_names
        By class index; from the file or its neighbour ``classes.json`` when not given, numbers where there is none.
    labels
        For an array: an ``.npy`` or text file with the class of each row, by number or name, -1 where unknown.
    bare
        Whether a file may say nothing of labels.

    Raises
    ------
    InputError
        The file is not there or does not say what predictions must say; one sentence names what and where.
    """
    source = Location.of(place)
    if is_array(source) and not (bare and not labels and _names_images(source)):
        return predictions_of_array(source, _called(source, model, dataset, split), class_names, labels, bare=bare)
    if source.is_folder():
        result = predictions_of_run(source, model, dataset, split) if is_run(source) else found_by_parts(source)
        names = tuple(class_names) or result.class_names
        table = read_table(result.place)
        origin = check_origin(table.schema.metadata, result.place, result.description)
        asked = (model or result.model, dataset or result.dataset, split or result.split)
        called = result[1:4] if is_run(source) else asked
        return replace(_from_table(table, result.place, "", called, names), store=origin.place if origin else "")
    table = _rows_of(source, bare=bare)
    return _from_file(table, source, model, _called(source, model, dataset, split), class_names)


def read_all_models(
    place: str,
    *,
    dataset: str = "",
    split: str = "",
    class_names: Sequence[str] = (),
    labels: str = "",
    bare: bool = False,
) -> list[Predictions]:
    """The predictions of all models of a wide table or of a run with several; of the only one elsewhere."""
    source = Location.of(place)
    models, called = models_in(place), {"dataset": dataset, "split": split}
    if source.is_folder() or not models:
        names = models if source.is_folder() and models_in_run(source) else [""]
        return [
            read_predictions(place, model=name, **called, class_names=class_names, labels=labels, bare=bare)
            for name in names
        ]
    table, ids = _rows_of(source, bare=bare), {}
    return [_from_file(table, source, name, _called(source, name, dataset, split), class_names, ids) for name in models]


def models_in(place: str) -> list[str]:
    """The models that a file or a run folder holds; for a file of a single model, an empty list."""
    source = Location.of(place)
    if source.is_folder():
        return models_in_run(source)
    return list(_models(source).names)


def identity_in(place: str) -> str:
    """The column of a file that says which images its rows are of; empty where none does."""
    source = Location.of(place)
    return (
        "" if is_array(source) and not _names_images(source) else next(iter(found(read_rows(source).schema, IDS)), "")
    )


def _names_images(source: Location) -> bool:
    """Whether an archive has a name for each image, and so is a table."""
    return suffix_of(source) == ARCHIVE and bool(found(read_table(source).schema, IDS))


def _rows_of(source: Location, *, bare: bool) -> pa.Table:
    """The table of a file; one that may be `bare` gets a column of labels that are unknown, where it has none."""
    table = read_rows(source)
    if bare and not found(table.schema, LABELS):
        table = table.append_column(LABELS[0], unlabelled(len(table)))
    return table


def left_out_note(place: str) -> str:
    """Which columns of a wide table are read as no model's, and why; empty where there are none."""
    source = Location.of(place)
    left_out = {} if source.is_folder() else _models(source).left_out
    reasons = "; ".join(f"{name or 'a column without a name'}: {reason}" for name, reason in left_out.items())
    said = f"{source.name} has columns that were not read as models ({reasons}). --model names one to read it."
    return said if left_out else ""


def _models(source: Location) -> Models:
    if is_array(source):
        return Models((), {})
    table = read_rows(source)
    return models_of(table, names_beside(source, table.schema.metadata))


def _stem(place: Location) -> str:
    return place.name.rpartition(".")[0] or place.name


def _called(place: Location, model: str, dataset: str, split: str) -> tuple[str, str, str]:
    return (model or _stem(place), dataset or _stem(place), split)


def _from_file(
    table: pa.Table,
    place: Location,
    column: str,
    called: tuple[str, str, str],
    class_names: Sequence[str],
    ids: dict[str, np.ndarray] | None = None,
) -> Predictions:
    """Predictions of anybody's file, whose class numbers are checked where nobody names the classes; `ids` keeps the
    numbers of its images from one model to the next.
    """
    result = _from_table(table, place, column, called, class_names, ids)
    named = tuple(class_names) or names_beside(place, table.schema.metadata)
    columns = columns_of(table, str(place), column, named)
    _refuse_strays(table, columns, str(place))
    if result.scores is None and are_numbers(result.class_names) and not named:
        check_numbering(result.label, result.top, str(place), column or columns.answers)
    return result


def _from_table(
    table: pa.Table,
    place: Location,
    column: str,
    called: tuple[str, str, str],
    class_names: Sequence[str],
    ids: dict[str, np.ndarray] | None = None,
) -> Predictions:
    where, ids = str(place), {} if ids is None else ids
    names = tuple(class_names) or names_beside(place, table.schema.metadata)
    columns = columns_of(table, where, column, names)
    scores = _scores(table, columns, where)
    if columns.top:
        table = _with_lists(table, columns.top)
    names = names or _spelled(table, columns, scores, where)
    label = classes_of_labels(_by_name(table[columns.label], columns, names), names, where, columns.label)
    if columns.identity not in ids:
        ids[columns.identity] = _ids(table, columns, where)
    common = (*called, names, ids[columns.identity], label.astype(np.int32))
    more = {"is_synthetic": _synthetic(table, where), "digest": _digests(table), "image": _image(table, columns)}
    if scores is not None:
        if scores.shape[1] != len(names):
            raise InputError(
                f"{where} has scores of {counted(scores.shape[1], 'class', 'classes')}, {len(names)} classes are named"
            )
        said = answers_of(scores, label)
        if columns.predicted:
            given = _by_name(table[columns.predicted], columns, names)
            answers = classes_of_answers(given, names, where, columns.predicted)[:, 0]
            said = said._replace(top=_agreeing(said.top, answers, scores, where, columns.predicted))
        return Predictions(*common, *said, scores, **more)
    top = classes_of_answers(table[columns.answers], names, where, columns.answers)
    confidence, likelihood = (numbers_of(table, name, where) for name in (columns.confidence, columns.log_likelihood))
    _refuse_gaps(confidence, where, columns.confidence)
    if not _are_probabilities(confidence, likelihood, label):
        confidence = None
    if likelihood is not None and (np.isnan(likelihood) & (label != UNLABELLED)).any():
        likelihood = None
    return Predictions(*common, top, confidence, likelihood, **more)


def _agreeing(top: np.ndarray, answers: np.ndarray, scores: np.ndarray, where: str, name: str) -> np.ndarray:
    """The best classes by `scores`, of equals first the one that the file calls the answer.

    Raises
    ------
    InputError
        An answer is not the best class.
    """
    rows = np.arange(len(top))
    wrong = scores[rows, answers] < scores[rows, top[:, 0]]
    if wrong.any():
        raise InputError(
            f"{where}: {name} is not the class with the best score in {int(wrong.sum()):,} of {len(top):,} rows, such "
            f"as row {int(np.argmax(wrong))}; put the scores in the order of the classes, or leave out {name} or the "
            "scores, whichever the model does not answer by"
        )
    first = answers[:, None]
    others = np.take_along_axis(top, np.argsort(top == first, axis=1, kind="stable"), axis=1)
    return np.hstack([first, others[:, : top.shape[1] - 1]]).astype(top.dtype)


def _ids(table: pa.Table, columns: Columns, where: str) -> np.ndarray:
    if not columns.identity:
        return np.arange(len(table), dtype=np.int64)
    column = table[columns.identity]
    if column.null_count:
        raise InputError(
            f"{where} has {counted(column.null_count, 'row')} without {columns.identity}; name every image"
        )
    if pa.types.is_integer(column.type):
        result, names = column.to_numpy().astype(np.int64), None
    else:
        names = column.cast(pa.string()).to_pylist()
        result = ids_of_names(names)
    check_ids(result, where, names)
    return result


def _image(table: pa.Table, columns: Columns) -> pa.Array | None:
    """The names of the images, where they are names and not numbers."""
    if not columns.identity or pa.types.is_integer(table[columns.identity].type):
        return None
    return table[columns.identity].cast(pa.string()).combine_chunks()


def _with_lists(table: pa.Table, name: str) -> pa.Table:
    """The table with a list in each cell of a column of texts such as ``3 4`` or ``[3, 4]``."""
    if not is_text(table[name].type):
        return table
    split = [(text or "").strip("[]() ").replace(",", " ").split() for text in table[name].to_pylist()]
    return table.set_column(table.column_names.index(name), name, pa.array(split, pa.list_(pa.string())))


def _spelled(table: pa.Table, columns: Columns, scores: np.ndarray | None, where: str) -> tuple[str, ...]:
    """The classes that occur, where nobody names them: words, those of all models of a wide table, or numbers."""
    if columns.by_class:
        words = names_in(columns.by_class)
        return tuple(str(int(word)) for word in words) if _are_codes(words, table[columns.label]) else words
    if scores is not None:
        return words_in([table[columns.label]]) or numbered(scores.shape[1])
    models = models_of(table).names if columns.model and is_text(table[columns.label].type) else ()
    given = {name: table[name] for name in (columns.label, columns.answers, *models)}
    words = words_in(given.values())
    if words and not all(map(_is_whole, words)):
        _refuse_word(table, columns, where)
        return words
    return numbered(1 + max(map(_largest, (given[columns.label], given[columns.answers]))))


def _is_whole(word: str) -> bool:
    return word.strip().lstrip("-").isdigit()


def _refuse_word(table: pa.Table, columns: Columns, where: str) -> None:
    """Refuse a word among answers that are numbers, as all labels are: sorted as names, both would be others."""
    label, answers = table[columns.label], table[columns.answers]
    if is_text(label.type) or not is_text(answers.type):
        return
    words = answers.cast(pa.string()).to_pylist()
    stray = [row for row, word in enumerate(words) if word and not _is_whole(word)]
    if len(stray) < sum(map(bool, words)):
        raise InputError(
            f"{where}: {columns.answers} is {words[stray[0]]!r} in row {stray[0]}, and a number in others, as the "
            "labels are; mend that row"
        )


def _are_codes(words: Sequence[str], label: pa.ChunkedArray) -> bool:
    return not is_text(label.type) and all(word.isdigit() for word in words)


def _by_name(label: pa.ChunkedArray, columns: Columns, names: Sequence[str]) -> pa.ChunkedArray:
    """The true classes as words where columns of scores are called by the numbers that the classes are called."""
    given = names_in(columns.by_class)
    if not given or are_numbers(names) or not _are_codes(given, label) or [str(int(n)) for n in given] != list(names):
        return label
    whole = pc.fill_null(label.cast(pa.int64()), UNLABELLED)
    return pc.if_else(pc.equal(whole, UNLABELLED), "", whole.cast(pa.string()))


def _largest(column: pa.ChunkedArray) -> int:
    values = pc.list_flatten(column) if is_list(column.type) else column
    if is_text(values.type):
        return max((int(word) for word in values.cast(pa.string()).to_pylist() if word), default=-1)
    largest = np.nanmax(values.cast(pa.float64()).to_numpy(), initial=-1)
    return int(largest) if np.isfinite(largest) else -1


def _scores(table: pa.Table, columns: Columns, where: str) -> np.ndarray | None:
    if columns.scores:
        result = lists_of_numbers(table[columns.scores], where, columns.scores)
        return as_logarithms(result, where, probabilities=True if plain(columns.scores) in PROBABILITIES else None)
    if columns.by_class:
        result = np.column_stack([table[name].to_numpy() for name in columns.by_class])
        return as_logarithms(result, where)
    return None


def _refuse_gaps(confidence: np.ndarray | None, where: str, name: str) -> None:
    """Refuse confidences that some rows have and others lack; a run's models that give none have none at all."""
    gaps = np.zeros(0, bool) if confidence is None else np.isnan(confidence)
    if gaps.any() and not gaps.all():
        row = int(np.argmax(gaps))
        raise InputError(f"{where}: {name} is missing in row {row}; give it for every row, or leave the column out")


def _refuse_strays(table: pa.Table, columns: Columns, where: str) -> None:
    """Refuse confidences of which a few are no probabilities: they would turn those of all rows into mere scores."""
    confidence = numbers_of(table, columns.confidence, where)
    if confidence is None or columns.scores or columns.by_class:
        return
    stray = (confidence < 0) | (confidence > 1 + 1e-6)
    if 0 < np.count_nonzero(stray) < len(stray) / 2:
        row = int(np.argmax(stray))
        raise InputError(
            f"{where}: {columns.confidence} is {confidence[row]:.6g} in row {row}, and from 0 to 1 in most others; "
            "mend that row, or leave the column out"
        )


def _synthetic(table: pa.Table, where: str) -> np.ndarray | None:
    """Which rows are synthetic, ``(n,) bool``; None where the table does not say so of any."""
    if SYNTHETIC not in table.column_names:
        return None
    column = table[SYNTHETIC]
    if not pa.types.is_boolean(column.type):
        raise InputError(f"{where}: the column {SYNTHETIC!r} must hold true or false, it holds {column.type}")
    return pc.fill_null(column, fill_value=False).to_numpy()


def _digests(table: pa.Table) -> np.ndarray | None:
    """What a network has written of the bytes of each image, ``(n,) uint64``; None where it has not."""
    there = DIGEST in table.column_names and table.schema.field(DIGEST).type == pa.uint64()
    return table[DIGEST].to_numpy() if there else None


def _are_probabilities(confidence: np.ndarray | None, likelihood: np.ndarray | None, label: np.ndarray) -> bool:
    """Whether confidences are probabilities: a run's models that give none write their best score in this column, and
    no likelihood of any label.
    """
    if confidence is None or np.isnan(confidence).any() or ((confidence < 0) | (confidence > 1 + 1e-6)).any():
        return False
    known = label != UNLABELLED
    return likelihood is None or not known.any() or not np.isnan(likelihood[known]).all()

"""Predictions from anybody's files: run folders, tables of one or of many models, arrays of scores."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.predictions.columns import SYNTHETIC, Columns, columns_of, models_of, names_in
from gapscope.predictions.files import ARRAY, read_array, read_table, suffix_of
from gapscope.predictions.images import check_ids, ids_of_names
from gapscope.predictions.names import are_numbers, names_beside, numbered, text_column
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
) -> Predictions:
    """One model's predictions for one set.

    Parameters
    ----------
    place
        A run folder or a folder of its predictions; a Parquet, CSV, JSON or JSON-lines table with a column ``label``;
        or an ``.npy`` file of scores ``(n, k)``, best classes ``(n, t)`` or best class ``(n,)``. Images are known by
        the column ``sample_id``, ``image``, ``path`` or ``id``, and by their row where there is none.
    model
        In a wide table, which has a column of best classes for each model, that column; otherwise the model's name.
    dataset, split
        What to call the set; in a run with several, which one to read.
    class_names
        By class index; from the file or its neighbour ``classes.json`` when not given, numbers where there is none.
    labels
        For an array: an ``.npy`` or text file with the class of each row, -1 where unknown.

    Raises
    ------
    InputError
        The file is not there or does not say what predictions must say; one sentence names what and where.
    """
    source = Location.of(place)
    if suffix_of(source) == ARRAY:
        return _from_array(source, model, dataset, split, class_names, labels)
    if source.is_folder():
        result = predictions_of_run(source, model, dataset, split) if is_run(source) else found_by_parts(source)
        names = tuple(class_names) or result.class_names
        table = read_table(result.place)
        check_origin(table, result.place, result.description)
        called = (model or result.model, dataset or result.dataset, split or result.split)
        return _from_table(table, result.place, "", *called, names)
    table = read_table(source)
    return _from_table(table, source, model, model or _stem(source), dataset or _stem(source), split, class_names)


def read_all_models(
    place: str, *, dataset: str = "", split: str = "", class_names: Sequence[str] = ()
) -> list[Predictions]:
    """The predictions of all models of a wide table or of a run with several; of the only one elsewhere."""
    source = Location.of(place)
    models = models_in(place)
    if source.is_folder() or suffix_of(source) == ARRAY or not models:
        names = models if source.is_folder() and models_in_run(source) else [""]
        return [
            read_predictions(place, model=name, dataset=dataset, split=split, class_names=class_names) for name in names
        ]
    table = read_table(source)
    return [_from_table(table, source, name, name, dataset or _stem(source), split, class_names) for name in models]


def models_in(place: str) -> list[str]:
    """The models that a file or a run folder holds; for a file of a single model, an empty list."""
    source = Location.of(place)
    if source.is_folder():
        return models_in_run(source)
    if suffix_of(source) == ARRAY:
        return []
    table = read_table(source)
    return models_of(table.schema, names_beside(source, table.schema.metadata))


def _stem(place: Location) -> str:
    return place.name.rpartition(".")[0] or place.name


def _from_table(
    table: pa.Table,
    place: Location,
    column: str,
    model: str,
    dataset: str,
    split: str,
    class_names: Sequence[str],
) -> Predictions:
    where = str(place)
    names = tuple(class_names) or names_beside(place, table.schema.metadata)
    columns = columns_of(table.schema, where, column, names)
    scores = _scores(table, columns, where)
    names = names or _spelled(table, columns, scores)
    label = _indices(table[columns.label], names, where, columns.label)
    _check_range(label, len(names), UNLABELLED, where, columns.label)
    common = (model, dataset, split, names, _ids(table, columns, where), label.astype(np.int32))
    if scores is not None:
        if scores.shape[1] != len(names):
            raise InputError(f"{where} has scores of {scores.shape[1]} classes, {len(names)} classes are named")
        return Predictions(*common, *answers_of(scores, label), scores, _synthetic(table, where))
    top = _best_classes(table, columns, names, where)
    confidence, likelihood = (_numbers(table, name, where) for name in (columns.confidence, columns.log_likelihood))
    if not _are_probabilities(confidence, likelihood, label):
        confidence = None
    if likelihood is not None and (np.isnan(likelihood) & (label != UNLABELLED)).any():
        likelihood = None
    return Predictions(*common, top, confidence, likelihood, is_synthetic=_synthetic(table, where))


def _from_array(
    place: Location, model: str, dataset: str, split: str, class_names: Sequence[str], labels: str
) -> Predictions:
    where = str(place)
    array = read_array(place)
    if not labels:
        raise InputError(f"{where} has no labels; name an .npy or text file with the class of each row as its labels")
    label = _labels(Location.of(labels))
    if len(label) != len(array):
        raise InputError(f"{where} has {len(array):,} rows but {labels} has {len(label):,} labels; they must be equal")
    names = tuple(class_names) or names_beside(place)
    stem = _stem(place)
    rows = np.arange(len(array), dtype=np.int64)
    if array.dtype.kind in "iu":
        top = np.asarray(array, np.int64).reshape(len(array), -1)
        names = names or numbered(1 + int(max(top.max(initial=0), label.max(initial=0))))
        _check_range(top, len(names), 0, where, "predictions")
        _check_range(label, len(names), UNLABELLED, labels, "labels")
        return Predictions(
            model or stem, dataset or stem, split, names, rows, label.astype(np.int32), top.astype(np.int32)
        )
    scores = as_logarithms(array, where)
    names = names or numbered(scores.shape[1])
    if scores.shape[1] != len(names):
        raise InputError(f"{where} has scores of {scores.shape[1]} classes, {len(names)} classes are named")
    _check_range(label, len(names), UNLABELLED, labels, "labels")
    result = answers_of(scores, label)
    return Predictions(model or stem, dataset or stem, split, names, rows, label.astype(np.int32), *result, scores)


def _labels(place: Location) -> np.ndarray:
    if suffix_of(place) == ARRAY:
        result = np.asarray(read_array(place))
    else:
        if not place.exists():
            raise InputError(f"there is no file of labels at {place}")
        try:
            result = np.array([int(line) for line in place.read_text().split()], dtype=np.int64)
        except ValueError as error:
            raise InputError(f"{place} must have one class number for each row: {error}") from error
    if result.ndim != 1 or result.dtype.kind not in "iu":
        raise InputError(f"{place} must hold one whole number for each row, it holds {result.dtype} {result.shape}")
    return result.astype(np.int64)


def _ids(table: pa.Table, columns: Columns, where: str) -> np.ndarray:
    if not columns.identity:
        return np.arange(len(table), dtype=np.int64)
    column = table[columns.identity]
    if column.null_count:
        raise InputError(f"{where} has {column.null_count:,} rows without {columns.identity}; name every image")
    if pa.types.is_integer(column.type):
        result, names = column.to_numpy().astype(np.int64), None
    else:
        names = column.cast(pa.string()).to_pylist()
        result = ids_of_names(names)
    check_ids(result, where, names)
    return result


def _spelled(table: pa.Table, columns: Columns, scores: np.ndarray | None) -> tuple[str, ...]:
    """The classes that occur, where nobody names them: the words of a table of words, otherwise numbers."""
    if columns.by_class:
        return names_in(columns.by_class)
    if scores is not None:
        return numbered(scores.shape[1])
    given = [name for name in (columns.label, columns.predicted) if name]
    if any(text_column(table[name]) for name in given):
        words = {word for name in given for word in pc.unique(table[name].cast(pa.string())).to_pylist()}
        return tuple(sorted(words - {None, ""}))
    columns_of_classes = [columns.label, columns.predicted, columns.top, columns.model]
    return numbered(1 + max(_largest(table[name]) for name in columns_of_classes if name))


def _largest(column: pa.ChunkedArray) -> int:
    values = column if pa.types.is_integer(column.type) else pc.list_flatten(column)
    largest = pc.max(values).as_py()
    return -1 if largest is None else int(largest)


def _indices(column: pa.ChunkedArray, names: Sequence[str], where: str, name: str) -> np.ndarray:
    """A column of classes, by number or by name, as class indices ``(n,) int64``; null and nothing become -1."""
    if pa.types.is_integer(column.type):
        return pc.fill_null(column, UNLABELLED).to_numpy().astype(np.int64)
    if not text_column(column):
        raise InputError(f"{where}: the column {name!r} must hold class numbers or names, it holds {column.type}")
    index = {word: position for position, word in enumerate(names)} | {None: UNLABELLED, "": UNLABELLED}
    words = column.cast(pa.string()).to_pylist()
    unknown = sorted({word for word in words if word not in index})
    if unknown and are_numbers(names) and all(word.lstrip("-").isdigit() for word in unknown):
        return np.array([int(word) for word in words], dtype=np.int64)
    if unknown:
        raise InputError(
            f"{where}: the column {name!r} has {len(unknown)} classes that are not among the {len(names)} named, such "
            f"as {unknown[0]!r}"
        )
    return np.array([index[word] for word in words], dtype=np.int64)


def _best_classes(table: pa.Table, columns: Columns, names: Sequence[str], where: str) -> np.ndarray:
    """The best classes ``(n, t) int32``: of a list for each row, or the one."""
    name = columns.model or columns.top or columns.predicted
    column = table[name]
    if pa.types.is_integer(column.type) or text_column(column):
        result = _indices(column, names, where, name)[:, None]
    else:
        result = _lists(column, where, name).astype(np.int64)
    _check_range(result, len(names), 0, where, name)
    return result.astype(np.int32)


def _lists(column: pa.ChunkedArray, where: str, name: str) -> np.ndarray:
    """A column of lists of one length as ``(n, t)``."""
    if not (pa.types.is_nested(column.type) and hasattr(column.type, "value_type")):
        raise InputError(f"{where}: the column {name!r} must hold a list for each row, it holds {column.type}")
    flat = pc.list_flatten(column)
    lengths = set(pc.unique(pc.list_value_length(column)).to_pylist())
    if len(lengths) > 1 or lengths & {None, 0} or flat.null_count:
        raise InputError(f"{where}: the lists in the column {name!r} must all have the same length and no gaps")
    return flat.to_numpy().reshape(len(column), -1)


def _scores(table: pa.Table, columns: Columns, where: str) -> np.ndarray | None:
    if columns.scores:
        result = _lists(table[columns.scores], where, columns.scores)
        return as_logarithms(result, where, probabilities=True if columns.scores == "probabilities" else None)
    if columns.by_class:
        result = np.column_stack([table[name].to_numpy() for name in columns.by_class])
        return as_logarithms(result, where)
    return None


def _numbers(table: pa.Table, name: str, where: str) -> np.ndarray | None:
    """A column of numbers ``(n,) float32``, NaN where null."""
    if not name:
        return None
    try:
        return table[name].cast(pa.float32()).to_numpy()
    except pa.ArrowInvalid as error:
        raise InputError(f"{where}: the column {name!r} must hold numbers: {error}") from error


def _synthetic(table: pa.Table, where: str) -> np.ndarray | None:
    """Which rows are synthetic, ``(n,) bool``; None where the table does not say so of any."""
    if SYNTHETIC not in table.column_names:
        return None
    column = table[SYNTHETIC]
    if not pa.types.is_boolean(column.type):
        raise InputError(f"{where}: the column {SYNTHETIC!r} must hold true or false, it holds {column.type}")
    return pc.fill_null(column, fill_value=False).to_numpy()


def _are_probabilities(confidence: np.ndarray | None, likelihood: np.ndarray | None, label: np.ndarray) -> bool:
    """Whether confidences are probabilities: a run's models that give none write their best score in this column, and
    no likelihood of any label.
    """
    if confidence is None or np.isnan(confidence).any() or ((confidence < 0) | (confidence > 1 + 1e-6)).any():
        return False
    known = label != UNLABELLED
    return likelihood is None or not known.any() or not np.isnan(likelihood[known]).all()


def _check_range(result: np.ndarray, classes: int, lowest: int, where: str, name: str) -> None:
    wrong = (result < lowest) | (result >= classes)
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise InputError(
            f"{where}: {name} is {result[wrong][0]} in row {row}, outside {lowest}…{classes - 1}, the {classes} classes"
        )

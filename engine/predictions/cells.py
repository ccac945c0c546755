"""The cells of a table of predictions as class indices and numbers; what is wrong with one is said with its row."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.core.errors import InputError
from gapscope.core.text import composed
from gapscope.predictions.names import are_numbers
from gapscope.predictions.table import UNLABELLED

MISSING = (None, "")


def is_number(kind: pa.DataType) -> bool:
    """Whether a column holds numbers."""
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text, also as categories."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def is_list(kind: pa.DataType) -> bool:
    """Whether a column holds a list for each row."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def chosen_class(column: pa.ChunkedArray) -> np.ndarray | None:
    """Whole numbers ``(n,) int64``, the first of each list; None where a cell holds none."""
    if is_list(column.type):
        column = pc.list_element(column, 0) if not column.null_count else column
    if column.null_count or not (is_number(column.type) or pa.types.is_boolean(column.type)):
        return None
    values = column.cast(pa.int8() if pa.types.is_boolean(column.type) else column.type).to_numpy()
    return values.astype(np.int64) if np.isfinite(values).all() and (values == np.trunc(values)).all() else None


def known_share(column: pa.ChunkedArray, classes: Sequence[str] | pa.ChunkedArray) -> float:
    """The share of texts that are among the classes."""
    names = classes.unique().cast(pa.string()) if isinstance(classes, pa.ChunkedArray) else pa.array(list(classes))
    texts = column.cast(pa.string())
    return (pc.sum(pc.is_in(texts, value_set=names)).as_py() or 0) / max(len(texts), 1)


def classes_of_labels(column: pa.ChunkedArray, names: Sequence[str], where: str, name: str) -> np.ndarray:
    """A column of true classes, by number or by name, as class indices ``(n,) int64``; missing ones become -1.

    Raises
    ------
    InputError
        A cell holds no class; the message names its row.
    """
    return _checked(_indices(column, names, where, name), names, UNLABELLED, where, name)


def classes_of_answers(column: pa.ChunkedArray, names: Sequence[str], where: str, name: str) -> np.ndarray:
    """A column of predicted classes, or of lists of them, as ``(n, t) int32``, best first.

    Raises
    ------
    InputError
        A cell holds no class; the message names its row.
    """
    if is_list(column.type):
        result = _indices_of_lists(column, names, where, name)
    else:
        result = _indices(column, names, where, name)[:, None]
        _refuse_missing(result[:, 0] == UNLABELLED, column, where, name)
    return _checked(result, names, 0, where, name).astype(np.int32)


def _refuse_missing(missing: np.ndarray, column: pa.ChunkedArray, where: str, name: str) -> None:
    empty = missing & _is_missing(column)
    if empty.any():
        row = int(np.flatnonzero(empty)[0])
        raise InputError(
            f"{where}: {name} is missing in row {row}, and in {int(empty.sum()):,} rows in all; leave them out or "
            "predict them"
        )


def _is_missing(column: pa.ChunkedArray) -> np.ndarray:
    if is_text(column.type):
        return np.array([word in MISSING for word in column.cast(pa.string()).to_pylist()], bool)
    return pc.fill_null(pc.is_null(column, nan_is_null=True), fill_value=True).to_numpy()


def _indices(column: pa.ChunkedArray, names: Sequence[str], where: str, name: str) -> np.ndarray:
    """Class indices ``(n,) int64``; null, NaN and nothing become -1."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if pa.types.is_integer(column.type) or pa.types.is_null(column.type):  # signed, so that a missing one may become -1
        column = column.cast(pa.int64(), safe=False)
    if is_number(column.type):
        return _whole(pc.fill_null(column, UNLABELLED).to_numpy(), where, name)
    if not is_text(column.type):
        raise InputError(f"{where}: the column {name!r} must hold class numbers or names, it holds {column.type}")
    return _of_words(column.cast(pa.string()).to_pylist(), names, where, name)


def _whole(values: np.ndarray, where: str, name: str) -> np.ndarray:
    """Whole numbers as int64, NaN as -1."""
    values = np.where(np.isnan(values), UNLABELLED, values) if values.dtype.kind == "f" else values
    broken = values != np.trunc(values)
    broken |= ~np.isfinite(values)
    if broken.any():
        row = int(np.flatnonzero(broken)[0])
        raise InputError(
            f"{where}: {name} is {values[row]} in row {row}, which is no class; give class numbers or names, and call "
            "columns of probabilities probability_CLASS"
        )
    return values.astype(np.int64)


def _of_words(words: Sequence[str | None], names: Sequence[str], where: str, name: str) -> np.ndarray:
    index = {composed(name): position for position, name in enumerate(names)} | dict.fromkeys(MISSING, UNLABELLED)
    words = [word and composed(word) for word in words]
    unknown = {word for word in words if word not in index}
    if unknown and are_numbers(names) and all(word.strip().lstrip("-").isdigit() for word in unknown):
        return np.array([UNLABELLED if word in MISSING else int(word) for word in words], dtype=np.int64)
    if unknown:
        row = next(row for row, word in enumerate(words) if word in unknown)
        raise InputError(
            f"{where}: {name} is {words[row]!r} in row {row}, which is not among the {len(names)} named classes, "
            f"as are {len(unknown):,} words in all; name all classes, or give numbers"
        )
    return np.array([index[word] for word in words], dtype=np.int64)


def _indices_of_lists(column: pa.ChunkedArray, names: Sequence[str], where: str, name: str) -> np.ndarray:
    """Lists of class numbers or names as ``(n, t) int64``."""
    if not is_text(column.type.value_type):
        return _whole(lists_of_numbers(column, where, name), where, name)
    width = _width(column, where, name)
    return _of_words(pc.list_flatten(column).to_pylist(), names, where, name).reshape(-1, width)


def lists_of_numbers(column: pa.ChunkedArray, where: str, name: str) -> np.ndarray:
    """A column of lists of one length as ``(n, t)``.

    Raises
    ------
    InputError
        It holds something else, or a list is shorter than another or has a gap; the message names its row.
    """
    if not is_list(column.type) or not is_number(column.type.value_type):
        raise InputError(f"{where}: the column {name!r} must hold a list for each row, it holds {column.type}")
    width = _width(column, where, name)
    return pc.list_flatten(column).to_numpy().reshape(-1, width)


def _width(column: pa.ChunkedArray, where: str, name: str) -> int:
    """The length of all lists of a column."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    width = int(lengths[0]) if len(lengths) else 1
    other = (lengths != width) | (lengths == 0)
    if other.any():
        row = int(np.flatnonzero(other)[0])
        raise InputError(
            f"{where}: the lists in the column {name!r} must all have the same length, {width} as in row 0, row {row} "
            f"has {int(lengths[row])}"
        )
    gaps = pc.is_null(pc.list_flatten(column)).to_numpy()
    if gaps.any():
        raise InputError(f"{where}: the list in the column {name!r} has a gap in row {int(np.argmax(gaps)) // width}")
    return width


def numbers_of(table: pa.Table, name: str, where: str) -> np.ndarray | None:
    """A column of numbers ``(n,) float32``, NaN where null; None without a name.

    Raises
    ------
    InputError
        A cell holds no number.
    """
    if not name:
        return None
    try:
        return table[name].cast(pa.float32()).to_numpy()
    except pa.ArrowException as error:
        raise InputError(f"{where}: the column {name!r} must hold numbers: {error}") from error


def _checked(result: np.ndarray, names: Sequence[str], lowest: int, where: str, name: str) -> np.ndarray:
    """The indices, after those outside the classes have been refused."""
    wrong = (result < lowest) | (result >= len(names))
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise InputError(
            f"{where}: {name} is {result[wrong][0]} in row {row}, outside {lowest}…{len(names) - 1}, the {len(names)} "
            "classes"
        )
    return result

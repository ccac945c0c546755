"""Features of any type as float32, and a reason for each row that has no such numbers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.core.text import counted
from gapscope.formats.table import Values
from gapscope.store.csv.kernel import PADDING, digest_records
from gapscope.store.half import largest_bits
from gapscope.store.imports.source import LARGEST, Vanished


class Features(NamedTuple):
    """The features of a run of rows.

    Attributes
    ----------
    x : (n, d) float32
        C-contiguous; zeros in rows without numbers.
    lacking
        What is wrong with rows that have no ``d`` numbers.
    exact : (n, d)
        The numbers as they were given, NaN where one is missing; what messages quote.
    missing : (n, d) bool or None
        Where a number is missing.
    """

    x: np.ndarray
    lacking: dict[int, str]
    exact: np.ndarray
    missing: np.ndarray | None


def features_of(values: Sequence[Values], names: Sequence[str], dim: int) -> Features:
    """The features in a column of vectors, or in columns of numbers, one for each feature."""
    if len(values) > 1 or is_flat(values[0]):
        return _of_columns(values)
    if isinstance(values[0], pa.Array):
        return _of_lists(values[0], names[0], dim)
    return Features(as_float32(values[0]), {}, values[0], None)


def is_flat(values: Values) -> bool:
    """Whether a row of a column holds one value, not a vector."""
    if isinstance(values, pa.Array):
        kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        return not any(check(values.type) for check in kinds)
    return values.ndim == 1 or values.dtype.kind not in "fiub"


def as_float32(values: np.ndarray) -> np.ndarray:
    """`values` as C-contiguous float32 in this machine's byte order; what is too large becomes infinite."""
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        values = values.astype(np.float64)  # as text is read: first to double precision
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, np.float32)


def vanished(exact: np.ndarray, x: np.ndarray) -> Vanished | None:
    """What of the numbers ``exact : (n, d)`` became 0 in ``x : (n, d) float32``; counted by feature where any did."""
    if exact.dtype.itemsize <= x.dtype.itemsize or not (zero := x == 0).any() or not exact[zero].any():
        return None
    return Vanished.of((zero & (exact != 0)).sum(axis=0), x)


def _of_columns(values: Sequence[Values]) -> Features:
    columns = [_numbers(column) for column in values]
    exact = np.empty((len(columns[0]), len(columns)), np.result_type(*columns))
    for place, column in enumerate(columns):
        exact[:, place] = column
    missing = None
    if any(isinstance(column, pa.Array) and column.null_count for column in values):
        missing = np.stack([np.asarray(pa.array(column).is_null()) for column in values], axis=1)
    return Features(as_float32(exact), {}, exact, missing)


def _numbers(column: Values) -> np.ndarray:
    """A column of numbers, NaN where one is missing."""
    if not isinstance(column, pa.Array):
        return column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count or pa.types.is_boolean(column.type) or pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    return column.to_numpy(zero_copy_only=False)


def _of_lists(column: pa.Array, name: str, dim: int) -> Features:
    lengths = np.asarray(pc.list_value_length(column).fill_null(-1))
    good = lengths == dim
    flat = column if good.all() else column.filter(pa.array(good))
    values = flat.flatten()
    numbers = _numbers(values).reshape(-1, dim)
    missing = np.asarray(values.is_null()).reshape(-1, dim) if values.null_count else None
    x = as_float32(numbers)
    if good.all():
        return Features(x, {}, numbers, missing)
    wrong = {row: _length(name, int(lengths[row]), dim) for row in np.flatnonzero(~good).tolist()}
    return Features(
        _spread(x, good), wrong, _spread(numbers, good), missing if missing is None else _spread(missing, good)
    )


def _length(name: str, length: int, dim: int) -> str:
    return f"column {name!r} is empty" if length < 0 else f"column {name!r} has {counted(length, 'number')}, not {dim}"


def _spread(rows: np.ndarray, good: np.ndarray) -> np.ndarray:
    """`rows` in the places of the `good` ones, zeros elsewhere."""
    result = np.zeros((len(good), rows.shape[1]), rows.dtype)
    result[good] = rows
    return result


def refused(features: Features, names: Sequence[str], dtype: str) -> dict[int, str]:
    """What is wrong with each row that cannot be stored as `dtype`."""
    x = features.x
    limit = int(np.float32(LARGEST[dtype]).view(np.uint32))
    reasons = dict(features.lacking)
    for row in np.flatnonzero(largest_bits(x.view(np.uint32)) > limit).tolist():
        column = int((np.abs(x[row]) <= LARGEST[dtype]).argmin())
        missing = features.missing is not None and bool(features.missing[row, column])
        reasons[row] = f"{_called(names, column)} {_wrong(features.exact[row, column], dtype, missing=missing)}"
    return reasons


def _called(names: Sequence[str], column: int) -> str:
    if len(names) > 1:
        return f"column {names[column]!r}"
    return f"feature {column} of {names[0]!r}" if names[0] else f"feature {column}"


def _wrong(value: np.generic, dtype: str, *, missing: bool) -> str:
    number = float(value)
    if missing:
        return "is empty"
    if number != number:
        return "is NaN"
    if abs(number) == float("inf"):
        return "is infinite"
    hint = "; --dtype float32 holds it" if dtype == "float16" and abs(number) <= LARGEST["float32"] else ""
    return f"is {number:g}, beyond the largest {dtype} ({LARGEST[dtype]:g}){hint}"


def row_digests(x: np.ndarray, texts: Sequence[np.ndarray]) -> np.ndarray:
    """A hash of each row ``(n,) uint64``: XXH64 of its features as little-endian float32, and where it has `texts`,
    whose own hashes these are, XXH64 of all hashes one after another.
    """
    own = _digests(x.view(np.uint8).reshape(len(x), -1))
    if not texts:
        return own
    return _digests(np.stack([own, *texts], axis=1).view(np.uint8))


def _digests(rows: np.ndarray) -> np.ndarray:
    """XXH64 of each of ``rows : (n, b) uint8``, C-contiguous."""
    count, size = rows.shape
    digests = np.empty(count, np.uint64)
    if not count:
        return digests
    ends = np.arange(1, count + 1, dtype=np.int64) * size
    spans = np.stack([ends - size, ends], axis=1).astype(np.int32)
    # Digits are loaded eight at a time, so that the last row needs readable bytes behind it.
    digest_records(rows.reshape(-1), spans[:-1], digests[:-1])
    last = np.concatenate([rows[-1], np.zeros(PADDING, np.uint8)])
    digest_records(last, np.array([[0, size]], np.int32), digests[-1:])
    return digests

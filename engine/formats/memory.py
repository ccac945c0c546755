"""Arrays and tables of Python as rows to import: NumPy, Dask, and whatever hands over Arrow columns."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_buffers
from gapscope.formats.arrow import open_frame
from gapscope.formats.table import Column, Identity, Run, Table, kind_of, runs_of, said_by, said_of

# Above this only samples of an array are digested; below it all of it.
WHOLE_BYTES, SAMPLES = 2**30, 16


def in_memory(value: Any) -> bool:
    """Whether `value` is rows themselves, not names of files."""
    if isinstance(value, str | PurePath):
        return False
    if isinstance(value, list | tuple):
        return bool(len(value)) and not all(isinstance(one, str | PurePath) for one in value)
    return hasattr(value, "__len__") or hasattr(value, "shape")


def open_memory(value: Any, name: str = "the array") -> Table:
    """An array ``(n, d)`` or ``(n,)`` of NumPy, Dask, PyTorch, SciPy or anything like them, or a table of columns."""
    if hasattr(value, "with_format") and hasattr(value, "column_names"):  # of Hugging Face, rows chosen by indices
        table = value.with_format("arrow")[:]
        return _frame(table.replace_schema_metadata(value.features.arrow_schema.metadata))
    if hasattr(value, "__arrow_c_stream__") and not hasattr(value, "ndim"):
        return _frame(pa.table(value))
    if hasattr(value, "dask"):
        if hasattr(value, "columns"):
            raise InputError(f"{name} is a data frame of Dask; write it with to_parquet and import the folder")
        return _lazy(value, name)
    if hasattr(value, "__dataframe__"):
        import pandas as pd  # here, because a frame of pandas is there only where pandas is loaded

        return _frame(pa.Table.from_pandas(pd.DataFrame(value), preserve_index=False))
    return _array(_as_array(value, name), name)


def refuse_other_order(features: Any, beside: Any, what: str) -> None:
    """Refuse labels or names that pandas knows by the rows of the features, in another order."""
    if not all(hasattr(getattr(one, "index", None), "sort_values") for one in (features, beside)):
        return
    own, theirs = features.index, beside.index
    if len(own) == len(theirs) and not own.equals(theirs) and own.difference(theirs, sort=False).empty:
        raise InputError(
            f"the array of {what} has the {what} of the frame in another order; hand over {what}.loc[features.index], "
            f"or {what}.to_numpy() if the first is that of the first row all the same"
        )


def _as_array(value: Any, name: str) -> Any:
    """`value` as an array of NumPy, or as a sparse matrix whose rows are made dense as they are read."""
    if hasattr(value, "tocsr"):
        return value.tocsr()
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() and value.element_size() < 4 else value
    if hasattr(value, "filled") and np.ma.is_masked(value):
        if value.dtype.kind not in "iufb":
            raise InputError(f"{name} is masked in places; fill them, for example with .filled('')")
        return value.astype(np.result_type(value.dtype, np.float16)).filled(np.nan)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:  # of lists of other lengths, of another library's types
        raise InputError(f"{name} is no array of rows of equal length ({said_by(error)}); hand over numbers") from error
    if not array.dtype.hasobject:
        return array
    if array.ndim == 1:
        array = np.array([None if _is_missing(one) else one for one in array], object)
    if array.ndim != 1 or not all(one is None or isinstance(one, str | bytes | int | PurePath) for one in array):
        raise InputError(f"{name} holds Python objects; hand over numbers, such as np.stack(list_of_vectors)")
    return np.array(["" if one is None else one.decode() if isinstance(one, bytes) else str(one) for one in array])


def _is_missing(one: Any) -> bool:
    """Whether a value is one of those that stand for none: None, NaN, and what pandas has of its own."""
    return one is None or type(one).__name__ in ("NAType", "NaTType") or (isinstance(one, float) and one != one)


def _frame(table: pa.Table) -> Table:
    table = table.combine_chunks()
    buffers = [buffer for column in table.columns for chunk in column.chunks for buffer in chunk.buffers() if buffer]
    digest = digest_buffers([str(table.schema).encode(), *buffers])
    return open_frame(table, "the table", digest)


def _array(array: Any, name: str) -> Table:
    if not array.ndim:
        raise InputError(f"{name} is a single value where rows are expected")
    width = int(np.prod(array.shape[1:])) * array.dtype.itemsize

    def read(_names: Sequence[str], start: int) -> Iterator[Run]:
        for low, high in runs_of(array.shape[0], start, width):
            yield high - low, {"": _dense(array[low:high])}

    kind, columns = kind_of(array.dtype, array.shape)
    column = Column("", kind, columns, said_of(array.dtype, array.shape))
    size = int(np.prod(array.shape)) * array.dtype.itemsize
    return Table(name, array.shape[0], (column,), read, Identity(name, size, 0, _digest(array)))


def _dense(rows: Any) -> np.ndarray:
    return rows.toarray() if hasattr(rows, "toarray") else rows


def _digest(array: Any) -> str:
    about = f"{array.dtype} {array.shape}".encode()
    if hasattr(array, "indptr"):
        return digest_buffers([about, array.indptr.tobytes(), array.indices.tobytes(), array.data.tobytes()])
    if array.nbytes <= WHOLE_BYTES:
        return digest_buffers([about, np.ascontiguousarray(array).reshape(-1).view(np.uint8)])
    rows = np.linspace(0, len(array) - 1, SAMPLES).astype(int)
    return digest_buffers([about, *(np.ascontiguousarray(array[row]).tobytes() for row in rows)])


def _lazy(array: Any, name: str) -> Table:
    """A Dask array, computed block after block."""
    if np.isnan(array.shape).any():
        array = array.compute_chunk_sizes()
    if array.ndim == 2:
        array = array.rechunk({1: -1})
    starts = np.concatenate([[0], np.cumsum(array.chunks[0])]).tolist()

    def read(_names: Sequence[str], start: int) -> Iterator[Run]:
        for index, (low, high) in enumerate(pairwise(starts)):
            if high > start:
                block = np.asarray(array.blocks[index].compute())[max(0, start - low) :]
                for begin, end in runs_of(len(block), 0, block[:1].nbytes):
                    yield end - begin, {"": block[begin:end]}

    kind, width = kind_of(array.dtype, array.shape)
    ends = [np.asarray(array[row : row + 1].compute()).tobytes() for row in (0, len(array) - 1) if len(array)]
    digest = digest_buffers([f"{array.dtype} {array.shape}".encode(), *ends])
    column = Column("", kind, width, said_of(array.dtype, array.shape))
    return Table(name, len(array), (column,), read, Identity(name, array.nbytes, 0, digest))

"""Arrays and tables of Python as rows to import: NumPy, Dask, and whatever hands over Arrow columns."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_buffers
from gapscope.formats.arrow import open_frame
from gapscope.formats.table import Column, Identity, Run, Table, kind_of, runs_of, said_of

# Above this only samples of an array are digested; below it all of it.
WHOLE_BYTES, SAMPLES = 2**30, 16


def in_memory(value: object) -> bool:
    """Whether `value` is rows themselves, not the name of a file."""
    return hasattr(value, "__array__") or hasattr(value, "__arrow_c_stream__") or hasattr(value, "__dataframe__")


def open_memory(value: Any, name: str = "the array") -> Table:
    """An array ``(n, d)`` or ``(n,)`` of NumPy, Dask or anything like them, or a table of columns."""
    if hasattr(value, "__arrow_c_stream__") and not hasattr(value, "ndim"):
        return _frame(pa.table(value))
    if hasattr(value, "__dataframe__"):
        import pandas as pd  # here, because a frame of pandas is there only where pandas is loaded

        return _frame(pa.Table.from_pandas(pd.DataFrame(value), preserve_index=False))
    if hasattr(value, "dask"):
        return _lazy(value, name)
    array = np.asarray(value)
    return _array(array, name)


def _frame(table: pa.Table) -> Table:
    table = table.combine_chunks()
    buffers = [buffer for column in table.columns for chunk in column.chunks for buffer in chunk.buffers() if buffer]
    digest = digest_buffers([str(table.schema).encode(), *buffers])
    return open_frame(table, "the table", digest)


def _array(array: np.ndarray, name: str) -> Table:
    if not array.ndim:
        raise InputError(f"{name} is a single value where rows are expected")
    if array.dtype.hasobject and not (array.ndim == 1 and all(isinstance(one, str) for one in array)):
        raise InputError(f"{name} holds Python objects; hand over numbers, such as np.stack(list_of_vectors)")
    array = array.astype(str) if array.dtype.hasobject else array
    width = int(np.prod(array.shape[1:])) * array.dtype.itemsize

    def read(_names: Sequence[str], start: int) -> Iterator[Run]:
        for low, high in runs_of(len(array), start, width):
            yield high - low, {"": array[low:high]}

    kind, columns = kind_of(array.dtype, array.shape)
    column = Column("", kind, columns, said_of(array.dtype, array.shape))
    return Table(name, len(array), (column,), read, Identity(name, array.nbytes, 0, _digest(array)))


def _digest(array: np.ndarray) -> str:
    about = f"{array.dtype} {array.shape}".encode()
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

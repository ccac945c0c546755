"""Arrays that NumPy has saved: ``.npy``, and ``.npz`` with several by name; nothing in them is ever unpickled."""

import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from math import prod
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.files import BLANK, seal_of
from gapscope.core.location import Location
from gapscope.core.program import called
from gapscope.core.text import counted
from gapscope.data.vocabulary import IMAGE_SUFFIXES, is_debris
from gapscope.formats.arrays import ANY, Wanted, chosen_of, with_class_names
from gapscope.formats.table import Column, Run, Table, Values, identity_of, kind_of, readable, runs_of, said_of

# An array that stands column by column in an archive, where no row can be read alone, is read whole up to this size.
WHOLE_BYTES = 2**28
KIND = "a NumPy array"
# Files of features by their endings, which are read where they lie in no archive.
READ = frozenset("csv tsv txt parquet pq feather arrow ipc h5 hdf5 he5".split())


class Header(NamedTuple):
    """What stands before the numbers of an ``.npy`` file: their type, shape and order, and where they begin."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    by_column: bool
    offset: int

    @property
    def bytes(self) -> int:
        """Bytes of all numbers."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return prod(self.shape[1:]) * self.dtype.itemsize


def read_header(stream: IO[bytes], where: str, size: int) -> Header:
    """The header of an array that takes up `size` bytes.

    Raises
    ------
    InputError
        It is none, or its numbers are not all there.
    """
    with readable(where, KIND):
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, dtype = read(stream)
        header = Header(dtype, shape, by_column and len(shape) > 1, stream.tell())
    if not dtype.hasobject and header.offset + header.bytes > size:
        raise InputError(
            f"{where} has {size:,} bytes, and its header speaks of {header.offset + header.bytes:,}; it is not fully "
            "copied, or was still being written"
        )
    return header


def open_npy(place: Location, _wanted: Wanted = ANY) -> Table:
    """The array in the file at `place`: vectors, numbers or texts."""
    where, size = str(place), place.size()
    with readable(where, KIND), place.open_input() as stream:
        header = read_header(stream, where, size)
        if header.dtype.hasobject:
            raise InputError(
                f"{where} holds Python objects (a pickle), which could run any program when read and are never read; "
                "save vectors with np.save(FILE, np.stack(VECTORS)), labels with np.save(FILE, np.array(LABELS, str))"
            )
        _refuse_more(stream, header, where, size)

    def read(_names: Sequence[str], start: int) -> Iterator[Run]:
        with readable(where, KIND), place.open_input() as stream:
            for low, high in runs_of(header.shape[0], start, header.row_bytes):
                yield high - low, {"": _rows(stream, header, low, high)}

    return Table(where, _rows_of(header, where), (_column("", header),), read, identity_of(place))


def _refuse_more(stream: IO[bytes], header: Header, where: str, size: int) -> None:
    end = header.offset + header.bytes
    if size == end:
        return
    stream.seek(end)
    if size - end == len(BLANK) and seal_of(stream.read()):
        return
    raise InputError(
        f"{where} goes on for {size - end:,} bytes behind its array, of which nothing is known; save each array in a "
        "file of its own"
    )


def _rows_of(header: Header, where: str) -> int:
    if not header.shape:
        raise InputError(f"{where} holds a single value where an array of rows is expected")
    return header.shape[0]


def _column(name: str, header: Header) -> Column:
    kind, width = kind_of(header.dtype, header.shape)
    return Column(name, kind, width, said_of(header.dtype, header.shape))


def _rows(stream: IO[bytes], header: Header, low: int, high: int) -> np.ndarray:
    """Rows ``low <= i < high`` as a new array."""
    if header.by_column:
        return _rows_by_column(stream, header, low, high)
    rows = np.empty((high - low, *header.shape[1:]), header.dtype)
    stream.seek(header.offset + low * header.row_bytes)
    _fill(stream, rows)
    return rows


def _rows_by_column(stream: IO[bytes], header: Header, low: int, high: int) -> np.ndarray:
    total, width = header.shape[0], prod(header.shape[1:])
    columns = np.empty((width, high - low), header.dtype)
    for number, column in enumerate(columns):
        stream.seek(header.offset + (number * total + low) * header.dtype.itemsize)
        _fill(stream, column)
    return np.ascontiguousarray(columns.T)


def _fill(stream: IO[bytes], array: np.ndarray) -> None:
    """Fill a contiguous array with the bytes that follow."""
    if not array.size:
        return
    with array.reshape(-1).view(np.uint8).data as view:
        done = 0
        while done < len(view) and (count := stream.readinto(view[done:])):  # type: ignore[attr-defined]
            done += count
        if done < len(view):
            raise EOFError("it ends early")


def open_npz(place: Location, wanted: Wanted = ANY) -> Table:
    """The arrays by name in the archive at `place`, of which those with as many rows as the longest are columns."""
    where = str(place)
    with readable(where, "a NumPy archive"), place.open_input() as file, zipfile.ZipFile(file) as archive:
        headers = dict(_headers(archive, where))
    if not headers:
        with readable(where, "an archive"), place.open_input() as file, zipfile.ZipFile(file) as archive:
            raise InputError(_other_files(archive.namelist(), where))

    def read(names: Sequence[str], start: int) -> Iterator[Run]:
        used = {name: headers[name] for name in names}
        with readable(where, "a NumPy archive"), place.open_input() as file, zipfile.ZipFile(file) as archive:
            streams = {name: archive.open(f"{name}.npy") for name in used}
            whole = {name: _whole(streams[name], one, f"{name} of {where}") for name, one in used.items()}
            for name, header in used.items():
                if whole[name] is None:
                    streams[name].seek(header.offset + start * header.row_bytes)
            for low, high in runs_of(rows, start, sum(header.row_bytes for header in used.values())):
                yield high - low, {name: _next(streams[name], used[name], whole[name], low, high) for name in used}

    shapes = {name: one.shape for name, one in headers.items() if one.shape}
    known = {name: _column(name, headers[name]) for name in shapes}
    columns, apart = chosen_of(known, shapes, wanted, where)
    with readable(where, "a NumPy archive"), place.open_input() as file, zipfile.ZipFile(file) as archive:
        columns = with_class_names(columns, [known[name] for name in apart], partial(_texts, archive, headers))
    rows = shapes[columns[0].name][0] if columns else 0
    return Table(where, rows, columns, read, identity_of(place), apart)


def _texts(archive: zipfile.ZipFile, headers: dict[str, Header], name: str) -> list[str | bytes]:
    """An array of texts, whole."""
    with archive.open(f"{name}.npy") as stream:
        stream.seek(headers[name].offset)
        return list(_next(stream, headers[name], None, 0, headers[name].shape[0]).reshape(-1).tolist())


def _other_files(names: Sequence[str], where: str) -> str:
    """What an archive without arrays holds, and which command reads it."""
    files = [name for name in names if not name.endswith("/") and not is_debris(name.partition("/")[0])]
    kinds = [PurePosixPath(name).suffix[1:].lower() for name in files]
    if not files:
        return f"{where} is an archive without a file; a feature file has an array of shape (rows, features)"
    if any(name.rpartition("/")[2] in ("zarr.json", ".zgroup", ".zarray") for name in files):
        return f"{where} is an archive of a Zarr store; unpack it, and import the folder"
    kind = max(sorted(set(kinds)), key=kinds.count)
    held = counted(kinds.count(kind), f"{kind} file".strip())
    wanted = "a feature file has an array of shape (rows, features)"
    if kind in IMAGE_SUFFIXES:
        wanted = f"make features of its images with `{called()} extract {where}`"
    elif kind in READ:
        wanted = f'unpack it, and import the files with `{called()} import-features "FOLDER/*.{kind}"`'
    return f"{where} is an archive of {held}, such as {files[kinds.index(kind)]}, and holds no NumPy array; {wanted}"


def _headers(archive: zipfile.ZipFile, where: str) -> Iterator[tuple[str, Header]]:
    """The arrays of an archive."""
    names = archive.namelist()
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        raise InputError(
            f"{where} is a file of PyTorch (a pickle), which could run any program when read; save the features with "
            "np.save(FILE, tensor.numpy())"
        )
    for info in archive.infolist():
        if not info.filename.endswith(".npy"):
            continue
        name = info.filename.removesuffix(".npy")
        if names.count(info.filename) > 1:
            raise InputError(f"{where} holds the array {name!r} twice; save each under a name of its own")
        with archive.open(info) as stream:
            yield name, read_header(stream, f"{name!r} of {where}", info.file_size)


def _whole(stream: IO[bytes], header: Header, where: str) -> np.ndarray | None:
    """The whole array where it stands column by column; None where its rows can be read one after another."""
    if not header.by_column:
        return None
    if header.bytes > WHOLE_BYTES:
        raise InputError(
            f"{where} stands column by column in an archive and cannot be read in pieces; save it alone with "
            "np.save(FILE, np.ascontiguousarray(x))"
        )
    columns = np.empty((prod(header.shape[1:]), header.shape[0]), header.dtype)
    stream.seek(header.offset)
    _fill(stream, columns)
    return np.ascontiguousarray(columns.T)


def _next(stream: IO[bytes], header: Header, whole: np.ndarray | None, low: int, high: int) -> Values:
    if whole is not None:
        return whole[low:high]
    rows = np.empty((high - low, *header.shape[1:]), header.dtype)
    _fill(stream, rows)
    return rows

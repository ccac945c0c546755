"""Tables of predictions as they lie on disk: Parquet, CSV, TSV, JSON, NumPy's archives, a folder of Parquet parts."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa

from gapscope.core.errors import DamageError, InputError
from gapscope.core.files import read_table as read_parquet
from gapscope.core.location import Location
from gapscope.core.tables import composed_texts, read_csv
from gapscope.predictions.names import KEY
from gapscope.predictions.origin import joined

ARRAY, ARCHIVE = ".npy", ".npz"
PARTS = ".parquet"
CLASS_NAMES = ("class_names", "classes")
HEADER_BYTES = 1 << 16


def _csv(place: Location) -> pa.Table:
    """Columns between commas, or between tabs or semicolons where the header has these alone."""
    with place.open_input() as file:
        header = file.read(HEADER_BYTES).splitlines()[:1]
        file.seek(0)
        return read_csv(file, _between(header))


def _between(header: list[bytes]) -> str:
    first = header[0] if header else b""
    return next((mark for mark in (",", "\t", ";") if mark.encode() in first), ",")


def _json(place: Location) -> pa.Table:
    result = json.loads(place.read_text())
    if isinstance(result, Mapping):
        return pa.table(result)
    return _rows(result)


def _lines(place: Location) -> pa.Table:
    return _rows([json.loads(line) for line in place.read_text().splitlines() if line.strip()])


def _rows(rows: Any) -> pa.Table:
    if not (isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows)):
        raise ValueError("it must be a list of objects, one for each image")
    return pa.Table.from_pylist(rows)


def _archive(place: Location) -> pa.Table:
    """The arrays of an ``.npz`` file as columns, those of two dimensions as lists; class names go to the schema."""
    with place.open_input() as file, np.load(file, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    rows = max((len(array) for array in found.values() if array.ndim), default=0)
    names = next((found.pop(name) for name in CLASS_NAMES if name in found and len(found[name]) != rows), None)
    table = pa.table({name: _column(array) for name, array in found.items() if array.ndim})
    if names is None:
        return table
    return table.replace_schema_metadata({KEY: json.dumps([str(name) for name in names])})


def _column(array: np.ndarray) -> pa.Array:
    if array.ndim == 1:
        return pa.array(array)
    return pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), int(np.prod(array.shape[1:])))


READERS: Mapping[str, Callable[[Location], pa.Table]] = {
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".csv": _csv,
    ".tsv": _csv,
    ".json": _json,
    ".jsonl": _lines,
    ".ndjson": _lines,
    ARCHIVE: _archive,
}


def suffix_of(place: Location) -> str:
    """The ending of a file's name, in small letters.

    >>> suffix_of(Location("s3://bucket/ResNet.CSV"))
    '.csv'
    """
    return f".{place.name.rpartition('.')[2].lower()}"


def read_table(place: Location) -> pa.Table:
    """The whole table at `place`; a folder's parts one after another.

    Raises
    ------
    InputError
        There is nothing, or nothing that can be read as what its name says.
    """
    if not place.exists():
        raise InputError(
            f"there is no file of predictions at {place}; give the path of a table or of a run "
            "folder; stored sets are named together with runs that have predicted them"
        )
    if place.is_folder():
        return _joined(place)
    if suffix_of(place) not in READERS:
        raise InputError(f"{place} is none of {', '.join([*READERS, ARRAY])}; save the predictions as one of these")
    try:
        return composed_texts(READERS[suffix_of(place)](place))
    except DamageError:
        raise
    except (pa.ArrowException, ValueError, TypeError, OSError, EOFError, BadZipFile) as error:
        raise InputError(f"{place} cannot be read as {suffix_of(place)[1:]}: {error}") from error


def read_rows(place: Location) -> pa.Table:
    """The same, of a file that has a row.

    Raises
    ------
    InputError
        There is none, or two columns have one name.
    """
    table = read_table(place)
    twice = {name for name in table.column_names if table.column_names.count(name) > 1}
    if twice:
        raise InputError(f"{place} has several columns {sorted(twice)[0]!r}; give each column a name of its own")
    if not len(table):
        columns = ", ".join(table.column_names[:12])
        raise InputError(f"{place} has no row{f', only the header {columns}' if columns else ''}; give a row an image")
    return table


def _joined(place: Location) -> pa.Table:
    parts = [place / name for name in place.names() if name.endswith(PARTS) and not name.startswith(".")]
    if not parts:
        raise InputError(f"the folder {place} has no Parquet part; give a run folder or a folder of its predictions")
    try:
        return joined(parts, [read_parquet(part) for part in parts])
    except pa.ArrowException as error:
        raise InputError(f"the parts of {place} cannot be read as one table: {error}") from error


def read_array(place: Location) -> np.ndarray:
    """The array of an ``.npy`` file, as a memory map where it is on this machine."""
    if not place.exists():
        raise InputError(f"there is no array at {place}")
    try:
        if place.is_local:
            return np.load(place.path, mmap_mode="r", allow_pickle=False)
        with place.open_input() as file:
            return np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{place} cannot be read as an array of numbers: {error}") from error

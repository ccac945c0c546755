"""Tables of predictions as they lie on disk: Parquet, CSV, JSON, or a folder of Parquet parts."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from gapscope.core.errors import DamageError, InputError
from gapscope.core.files import read_table as read_parquet
from gapscope.core.location import Location
from gapscope.predictions.origin import joined

ARRAY = ".npy"
PARTS = ".parquet"


def _csv(place: Location) -> pa.Table:
    with place.open_input() as file:
        return pyarrow.csv.read_csv(file)


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


READERS: Mapping[str, Callable[[Location], pa.Table]] = {
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".csv": _csv,
    ".json": _json,
    ".jsonl": _lines,
    ".ndjson": _lines,
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
        raise InputError(f"there is no file of predictions at {place}; give the path of a table or of a run folder")
    if place.is_folder():
        return _joined(place)
    if suffix_of(place) not in READERS:
        raise InputError(f"{place} is none of {', '.join([*READERS, ARRAY])}; save the predictions as one of these")
    try:
        return READERS[suffix_of(place)](place)
    except DamageError:
        raise
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InputError(f"{place} cannot be read as {suffix_of(place)[1:]}: {error}") from error


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

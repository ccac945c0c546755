"""The points of a map from the table that a run of `map` has written."""

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError, OtherKindError
from gapscope.core.files import read_json, read_table
from gapscope.core.location import Location
from gapscope.core.program import called
from gapscope.explorer.columns import colourings, labelled, numbers, whole, words
from gapscope.explorer.points import Points, Set
from gapscope.maps.page import METHODS
from gapscope.schemas.coordinates import ABOUT, POINTS

Array = np.ndarray
FOLDER = "coordinates"
NEEDED = ("sample_id", "dataset", "split", "x", "y")


def table_of(run: Location) -> Location:
    """The table of points of a run folder; of a Parquet file, the file itself.

    Raises
    ------
    InputError
        There is none.
    """
    for place in (run / FOLDER / POINTS, run / POINTS, run):
        if place.exists() and not place.is_folder():
            return place
    raise OtherKindError(f"{run} holds no map: it has no {FOLDER}/{POINTS}; make one with `{called()} map DATASET`")


def read_points(run: Location) -> Points:
    """All points of the map in a run folder or a Parquet file, in the table's order; rows without a place are counted.

    Raises
    ------
    InputError
        There is no map, its table has not the columns of one, or no row has a place.
    """
    place = table_of(run)
    everything = _table(place)
    placed = _placed(everything)
    if not placed.any():
        raise InputError(f"none of the {len(placed):,} rows of {place} has a place: their coordinates are not numbers")
    sets, member = _members(everything)
    row, member = _rows_in(member)[placed], member[placed]
    table, about = everything if placed.all() else everything.filter(pa.array(placed)), _about(place)
    label, names = labelled(table, about.get("class_names", ()))
    method = about.get("method", "")
    return Points(
        title=METHODS.get(method, method or place.name.rpartition(".")[0]),
        sets=sets,
        member=member,
        sample_id=whole(table, "sample_id"),
        x=numbers(table, "x"),
        y=numbers(table, "y"),
        row=row,
        path=_paths(table),
        colourings=colourings(table, label, names, sets, member),
        confidence=numbers(table, "confidence") if "confidence" in table.column_names else None,
        left_out=int((~placed).sum()),
    )


def _table(place: Location) -> pa.Table:
    try:
        table = read_table(place)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{place} cannot be read as Parquet: {error}") from error
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise InputError(f"{place} is no table of a map: it has no column {missing[0]!r} (it has {table.column_names})")
    if not table.num_rows:
        raise InputError(f"{place} has no rows, so there is nothing to explore")
    return table


def _placed(table: pa.Table) -> Array:
    """Which rows have two finite coordinates, ``(n,) bool``."""
    return np.isfinite(numbers(table, "x")) & np.isfinite(numbers(table, "y"))


def _about(place: Location) -> dict:
    """What the run says of its map; nothing beside a table that somebody else has made."""
    beside = place.parent / ABOUT
    return read_json(beside) if place.name == POINTS and beside.exists() else {}


def _paths(table: pa.Table) -> pa.ChunkedArray:
    """Of each row's image; empty where it is not known."""
    if "path" not in table.column_names:
        return pa.chunked_array([pa.repeat("", table.num_rows)])
    path = table["path"].cast(pa.string())
    return path.fill_null("") if path.null_count else path


def _members(table: pa.Table) -> tuple[tuple[Set, ...], Array]:
    """The sets in the order of the table, and the number of each row's; a set may have no split."""
    (data, datasets), (part, splits) = (_or_empty(*words(table, name)) for name in ("dataset", "split"))
    both, first, member = np.unique(data * len(splits) + part, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(both), np.int16)
    place[order] = np.arange(len(both))
    sets = tuple(Set(datasets[one // len(splits)], splits[one % len(splits)]) for one in both[order])
    return sets, place[member]


def _or_empty(code: Array, result: list[str]) -> tuple[Array, list[str]]:
    """The same with an empty word for null."""
    return np.where(code < 0, len(result), code).astype(np.int64), [*result, ""]


def _rows_in(member: Array) -> Array:
    """Position of each row in its own set, ``(n,) int64``."""
    row = np.empty(len(member), np.int64)
    for number in range(int(member.max(initial=-1)) + 1):
        mine = member == number
        row[mine] = np.arange(mine.sum())
    return row

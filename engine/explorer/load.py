"""The points of a map from the table that a run of `map` has written."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.core.errors import InputError
from engine.core.location import Location
from engine.explorer.colouring import Colouring, by_answer, by_class, by_confidence
from engine.explorer.palette import colours_of
from engine.explorer.points import Points, Set
from schemas.coordinates import ABOUT, POINTS

Array = np.ndarray
FOLDER = "coordinates"
NEEDED = ("sample_id", "dataset", "split", "x", "y")
NO_LABEL, NOT_PREDICTED = "no label", "not predicted"


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
    raise InputError(f"{run} holds no map: it has no {FOLDER}/{POINTS}; make one with `python cli.py map --dataset …`")


def read_points(run: Location) -> Points:
    """All points of the map in a run folder or a Parquet file, in the table's order; rows without a place are counted.

    Raises
    ------
    InputError
        There is no map, or its table has not the columns of one.
    """
    place = table_of(run)
    table = _table(place)
    x, y = (_numbers(table, name) for name in ("x", "y"))
    placed = np.isfinite(x) & np.isfinite(y)
    sets, member = _members(table)
    about = _about(place)
    names = about.get("class_names") or _named(table, "class")
    everything = {
        "sample_id": table["sample_id"].to_numpy().astype(np.int64),
        "member": member,
        "row": _rows_in(member),
        "x": x,
        "y": y,
    }
    path = table["path"] if "path" in table.column_names else pa.chunked_array([pa.repeat("", table.num_rows)])
    confidence = _numbers(table, "confidence") if "confidence" in table.column_names else None
    return Points(
        title=about.get("method", place.name.rpartition(".")[0]),
        sets=sets,
        path=path if placed.all() else path.filter(pa.array(placed)),
        colourings={key: one.rows(placed) for key, one in _colourings(table, names, sets, member).items()},
        confidence=None if confidence is None else confidence[placed],
        left_out=int((~placed).sum()),
        **{name: column[placed] for name, column in everything.items()},
    )


def _table(place: Location) -> pa.Table:
    try:
        table = pq.read_table(place.path, filesystem=place.filesystem)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{place} cannot be read as Parquet: {error}") from error
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise InputError(f"{place} is no table of a map: it has no column {missing[0]!r} (it has {table.column_names})")
    if not table.num_rows:
        raise InputError(f"{place} has no rows, so there is nothing to explore")
    return table


def _about(place: Location) -> dict:
    """What the run says of its map; nothing beside a table that somebody else has made."""
    beside = place.parent / ABOUT
    return json.loads(beside.read_text()) if place.name == POINTS and beside.exists() else {}


def _numbers(table: pa.Table, name: str) -> Array:
    return np.asarray(pc.cast(table[name], pa.float32()).to_numpy(), np.float32)


def _words(table: pa.Table, name: str) -> tuple[Array, list[str]]:
    """Code of each row and the words by code; -1 for null."""
    column = table[name].combine_chunks()
    coded = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    return pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False), coded.dictionary.to_pylist()


def _members(table: pa.Table) -> tuple[tuple[Set, ...], Array]:
    """The sets in the order of the table, and the number of each row's."""
    (data, datasets), (part, splits) = (_words(table, name) for name in ("dataset", "split"))
    both, first, member = np.unique(data * len(splits) + part, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(both), np.int16)
    place[order] = np.arange(len(both))
    sets = tuple(Set(datasets[one // len(splits)], splits[one % len(splits)]) for one in both[order])
    return sets, place[member]


def _rows_in(member: Array) -> Array:
    """Position of each row in its own set, ``(n,) int64``."""
    row = np.empty(len(member), np.int64)
    for number in range(int(member.max(initial=-1)) + 1):
        mine = member == number
        row[mine] = np.arange(mine.sum())
    return row


def _named(table: pa.Table, column: str) -> list[str]:
    """Class names of a table that stands alone: by label where words stand beside them, else numbers."""
    if "label" not in table.column_names:
        return []
    label = table["label"].to_numpy()
    names = [str(index) for index in range(int(label.max(initial=-1)) + 1)]
    if column in table.column_names:
        code, words = _words(table, column)
        seen, first = np.unique(label, return_index=True)
        for index, at in zip(seen, first, strict=True):
            if index >= 0 and code[at] >= 0:
                names[index] = words[code[at]]
    return names


def _colourings(table: pa.Table, names: Sequence[str], sets: Sequence[Set], member: Array) -> dict[str, Colouring]:
    """All that the table can be coloured by; labels first, unless no row has one."""
    found: dict[str, Colouring] = {}
    there = set(table.column_names)
    label = table["label"].to_numpy().astype(np.int32) if "label" in there else np.full(table.num_rows, -1, np.int32)
    labelled = label >= 0
    if labelled.any():
        found["label"] = by_class("label", label, names, NO_LABEL)
    if "predicted" in there and table["predicted"].null_count < table.num_rows:
        predicted = pc.fill_null(table["predicted"], -1).to_numpy()
        found |= answered(label, predicted, names)
    if "confidence" in there and table["confidence"].null_count < table.num_rows:
        found["confidence"] = by_confidence("confidence", _numbers(table, "confidence"))
    found["dataset"] = by_set(sets, member)
    if "fitted" in there:
        fitted = np.asarray(table["fitted"].to_numpy(), bool)
        if not fitted.all():
            code = (~fitted).astype(np.int32)
            found["placement"] = Colouring("laid out or placed", code, ("laid out", "placed"), tuple(colours_of(2)))
    return found


def by_set(sets: Sequence[Set], member: Array) -> Colouring:
    """Each set in a colour of its own."""
    return Colouring("dataset", member.astype(np.int32), tuple(one.name for one in sets), tuple(colours_of(len(sets))))


def answered(label: Array, predicted: Array, names: Sequence[str], model: str = "") -> dict[str, Colouring]:
    """By prediction, and by right or wrong where there are labels; titles name the model where there are several."""
    suffix = f" of {model}" if model else ""
    key = f"-{model}" if model else ""
    found = {f"prediction{key}": by_class(f"prediction{suffix}", predicted, names, NOT_PREDICTED)}
    known = (label >= 0) & (predicted >= 0)
    if known.any():
        found[f"right{key}"] = by_answer(f"right or wrong{suffix}", label == predicted, known)
    return found

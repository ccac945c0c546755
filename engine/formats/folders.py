"""Folders whose files belong together: datasets that Hugging Face's library saved, and what clip-retrieval writes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.formats.arrays import Wanted
from gapscope.formats.arrow import open_arrow, open_parquet
from gapscope.formats.hub import refuse_partial
from gapscope.formats.joined import refuse_other_numbers, side_by_side
from gapscope.formats.npy import open_npy
from gapscope.formats.table import Column, Run, Table, readable
from gapscope.formats.zarr import is_zarr, open_zarr
from gapscope.store.imports.files import natural

STATE, SPLITS = "state.json", "dataset_dict.json"
EMBEDDINGS = ("img_emb", "text_emb")
# What a folder of partitions is called whose value is missing.
NOTHING = "__HIVE_DEFAULT_PARTITION__"


def open_folder(place: Location, wanted: Wanted) -> tuple[str, list[Table]]:
    """What the folder at `place` is, and its tables, whose rows follow one another.

    Raises
    ------
    InputError
        It is none of the folders that are known.
    """
    names = place.names()
    if is_zarr(place):
        return "zarr", [open_zarr(place, wanted)]
    if SPLITS in names:
        return "arrow", open_saved(_split_folder(place, names, wanted.split))
    if STATE in names:
        return "arrow", open_saved(place)
    if any(name in names for name in EMBEDDINGS):
        return "clip-retrieval", open_clip_retrieval(place)
    parquet = _parquet_of(place, wanted.split)
    refuse_partial(parquet)
    if parquet:
        return "parquet", [_partitioned(open_parquet(file), file.address[len(place.address) :]) for file in parquet]
    raise InputError(
        f"{place} is a folder that is none of Zarr, a dataset of Hugging Face (save_to_disk), clip-retrieval, or "
        f"Parquet files alone; name its files, for example '{str(place).rstrip('/')}/*.npy'"
    )


def _split_folder(place: Location, names: Sequence[str], split: str) -> Location:
    with readable(place / SPLITS, "JSON"):
        splits = json.loads((place / SPLITS).read_bytes())["splits"]
    if split not in splits or split not in names:
        raise InputError(f"{place} holds the splits {', '.join(map(str, splits))}; choose one with --split")
    return place / split


def open_saved(place: Location) -> list[Table]:
    """The shards of a dataset that `save_to_disk` has written.

    Raises
    ------
    InputError
        Its rows are chosen by a table of indices that stands beside them.
    """
    with readable(place / STATE, "JSON"):
        state: dict[str, Any] = json.loads((place / STATE).read_bytes())
        names = [str(file["filename"]) for file in state["_data_files"]]
        chosen = state.get("_indices_data_files")
    if chosen:
        raise InputError(f"{place} has rows that are chosen by indices; call flatten_indices() and save it again")
    for name in names:
        if "/" in name or name.startswith("."):
            raise InputError(f"{place / STATE} names the file {name!r}, which does not lie in the folder itself")
    if not names:
        raise InputError(f"{place} holds a dataset without a row; nothing was imported")
    return [open_arrow(place / name) for name in names]


def open_clip_retrieval(place: Location) -> list[Table]:
    """Arrays of embeddings as columns ``img_emb`` and ``text_emb``, each beside its table of metadata."""
    kinds = [kind for kind in EMBEDDINGS if (place / kind).is_folder()]
    arrays = {kind: _numbered(place / kind, ".npy") for kind in kinds}
    metadata = _numbered(place / "metadata", ".parquet")
    first = arrays[kinds[0]]
    for other in [*arrays.values(), *([metadata] if metadata else [])]:
        if len(other) != len(first):
            raise InputError(
                f"{place} has {len(first)} files in {kinds[0]} and {len(other)} beside; they belong together"
            )
    if not first:
        raise InputError(f"{place} has no .npy file in {kinds[0]}")
    for other in (*arrays.values(), metadata):
        refuse_other_numbers([one.name for one in first], [one.name for one in other], str(place))
    return [_beside(place, arrays, metadata, index) for index in range(len(first))]


def _beside(place: Location, arrays: dict[str, list[Location]], metadata: list[Location], index: int) -> Table:
    tables = [_called(open_npy(files[index]), kind) for kind, files in arrays.items()]
    tables += [open_parquet(metadata[index])] if metadata else []
    result = tables[0]
    for table in tables[1:]:
        result = side_by_side(result, table)
    return result


def _called(table: Table, name: str) -> Table:
    """A table of one column without a name, whose column is called `name`."""

    def read(_names: Sequence[str], start: int) -> Any:
        for rows, values in table.read([""], start):
            yield rows, {name: values[""]}

    return replace(table, columns=(table.columns[0]._replace(name=name),), read=read)


def _numbered(folder: Location, ending: str) -> list[Location]:
    names = [name for name in folder.names() if name.endswith(ending) and not name.startswith(".")]
    return [folder / name for name in sorted(names, key=natural)]


def _parquet_of(place: Location, split: str) -> list[Location]:
    """The Parquet files of a folder, of a dataset on the hub those whose name or folder is the split's."""
    files = [file for file in place.files() if not file.name.startswith((".", "_"))]
    tables = sorted((file for file in files if file.name.endswith(".parquet")), key=lambda file: natural(file.address))
    of_split = [file for file in tables if _is_of(file.address[len(place.address) :], split)]
    if of_split:
        return of_split
    return tables if len(tables) == len(files) else []


def _partitioned(table: Table, inside: str) -> Table:
    """A table with what the folders around its file say of all of its rows, as ``label=cat/part-0.parquet`` does."""
    said = dict(folder.split("=", 1) for folder in inside.split("/")[:-1] if "=" in folder)
    there = {column.name for column in table.columns}
    values = {name: None if text == NOTHING else unquote(text) for name, text in said.items() if name not in there}
    if not values:
        return table

    def read(names: Sequence[str], start: int) -> Iterator[Run]:
        own = [name for name in names if name not in values]
        same = {name: pa.scalar(values[name], pa.string()) for name in names if name in values}
        for rows, columns in table.read(own, start):
            yield rows, {**columns, **{name: pa.repeat(value, rows) for name, value in same.items()}}

    columns = table.columns + tuple(Column(name, "texts", 1, "a text of its folder") for name in values)
    return replace(table, columns=columns, read=read)


def _is_of(inside: str, split: str) -> bool:
    """Whether a path in a dataset on the hub is of a split, as ``data/train-00000-of-00004.parquet`` is of train."""
    *folders, name = inside.strip("/").split("/")
    return split in folders or f"split={split}" in folders or name.startswith((f"{split}-", f"{split}_", f"{split}."))

"""Arrays of a Zarr store, version 2 or 3: a folder, or one in an object store."""

import json
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.extras import extras_named
from gapscope.core.location import Location
from gapscope.formats.arrays import ANY, Wanted, chosen_of, with_class_names
from gapscope.formats.table import (
    Column,
    Run,
    Table,
    identity_of,
    kind_of,
    readable,
    runs_of,
    said_of,
)

KIND = "Zarr"
METADATA = ("zarr.json", ".zarray", ".zgroup")
# Bytes before a chunk that Blosc has compressed; the last four say how long it is with them.
BLOSC_HEADER = 16
# Of each chunk of a shard, where it begins and its bytes; both are NOWHERE for one that is not there.
PLACE_BYTES, CHECKSUM_BYTES, NOWHERE = 16, 4, 2**64 - 1
# What may stand between numbers and bytes without running a program that the data bring along.
REFUSED_CODECS = ("pickle", "dill", "cloudpickle")


def is_zarr(place: Location) -> bool:
    """Whether the folder at `place` is a Zarr array or group."""
    return any(name in METADATA for name in place.names())


def open_zarr(place: Location, wanted: Wanted = ANY) -> Table:
    """The arrays in the store at `place`, of which those that belong together are columns."""
    where = str(place)
    files = [file for file in place.files() if not file.name.startswith(".z.")]
    with readable(where, KIND):
        _refuse_pickles(files, where)
        arrays = {name: one for name, one in _arrays(_opened(place), "") if one.shape}
        shapes = {name: one.shape for name, one in arrays.items()}
        known = {name: _column(name, one) for name, one in arrays.items()}
        columns, apart = chosen_of(known, shapes, wanted, where)
        columns = with_class_names(columns, [known[name] for name in apart], lambda name: arrays[name][:].reshape(-1))
    if not columns:
        raise InputError(f"{where} holds no array; a feature file has one of shape (rows, features)")
    rows = shapes[columns[0].name][0]

    def read(names: Sequence[str], start: int) -> Iterator[Run]:
        with readable(where, KIND):
            used = {name: arrays[name] for name in names}
            for name, one in used.items():
                _refuse_missing(one, place / name, f"{name or 'the array'} of {where}")
                _refuse_cut(one, [file for file in files if file.address.startswith((place / name).address)])
            step = max(_step(one) for one in used.values())
            row_bytes = sum(prod(one.shape[1:]) * one.dtype.itemsize for one in used.values())
            for low, high in runs_of(rows, start, row_bytes, step):
                yield high - low, {name: _values(one[low:high]) for name, one in used.items()}

    return Table(where, rows, columns, read, identity_of(place, files), apart)


def _opened(place: Location) -> Any:
    with extras_named(f"reading {place}"):
        import zarr
    return zarr.open(place.path if place.is_local else place.address, mode="r")


def _arrays(node: Any, name: str) -> Iterator[tuple[str, Any]]:
    if hasattr(node, "dtype"):
        yield name, node
        return
    for inner, member in sorted(node.members()):
        yield from _arrays(member, f"{name}/{inner}".lstrip("/"))


def _step(one: Any) -> int:
    """Rows that are decoded together."""
    return int((getattr(one, "shards", None) or one.chunks)[0])


def _refuse_pickles(files: Sequence[Location], where: str) -> None:
    """Refuse an array whose chunks are programs, before anything of it is opened."""
    for file in files:
        if file.name in (".zarray", "zarr.json", ".zmetadata"):
            for codec in _codecs(json.loads(file.read_bytes())):
                if any(name in codec.lower() for name in REFUSED_CODECS):
                    raise InputError(
                        f"{where} holds Python objects (the codec {codec!r}), which could run any program when read "
                        "and are never read; save numbers"
                    )


def _codecs(value: Any) -> Iterator[str]:
    """Every name of a codec in the metadata of an array."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("id", "name") and isinstance(inner, str):
                yield inner
            yield from _codecs(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _codecs(inner)


def _refuse_missing(one: Any, place: Location, where: str) -> None:
    """Refuse features whose chunks are not all there, which would read as zeros; a chunk of labels may be all zeros,
    and Zarr does not store such ones.
    """
    if len(one.shape) < 2:
        return
    wanted = prod(-(-length // step) for length, step in zip(one.shape, one.chunks, strict=True))
    there = _in_shards(one, place) if getattr(one, "shards", None) else one.nchunks_initialized
    if there < wanted:
        raise InputError(
            f"{where} has {there:,} of its {wanted:,} chunks; the others would read as zeros, so copy it fully, or "
            "write it again with write_empty_chunks=True"
        )


def _in_shards(one: Any, place: Location) -> int:
    """The chunks of the array at `place` that its shards hold, as their indices tell."""
    codec = next(codec for codec in one.metadata.codecs if hasattr(codec, "index_location"))
    inside = [shard // chunk for shard, chunk in zip(one.shards, one.chunks, strict=True)]
    size = PLACE_BYTES * prod(inside) + (CHECKSUM_BYTES if len(codec.index_codecs) > 1 else 0)
    there = 0
    for shard in np.ndindex(*(-(-length // step) for length, step in zip(one.shape, one.shards, strict=True))):
        file = place / one.metadata.encode_chunk_key(shard)
        if file.exists():
            with file.open_input() as stream:
                stream.seek(0 if codec.index_location.value == "start" else max(0, file.size() - size))
                index = np.frombuffer(stream.read(size)[: PLACE_BYTES * prod(inside)], "<u8").reshape(*inside, 2)
            there += int((index != NOWHERE).any(axis=-1).sum())
    return there


def _refuse_cut(one: Any, files: Sequence[Location]) -> None:
    """Refuse chunks compressed by Blosc that are not as long as they say: its decoder reads on behind the end of them.
    An object store has an object whole or not at all, so that only files are looked at.
    """
    if getattr(one, "shards", None) or "blosc" not in _codecs(one.metadata.to_dict()):
        return
    for file in files:
        if file.is_local and not file.name.startswith((".z", "zarr.json")):
            with file.open_input() as stream:
                said = int.from_bytes(stream.read(BLOSC_HEADER)[-4:], "little")
            if file.size() != said:
                raise InputError(
                    f"{file} has {file.size():,} bytes and says {said:,}; it is damaged or not fully copied"
                )


def _column(name: str, one: Any) -> Column:
    dtype = np.dtype(one.dtype) if one.dtype is not str else np.dtypes.StringDType()
    if dtype.kind == "T" and prod(one.shape[1:]) == 1:
        return Column(name, "texts", 1, "texts")
    kind, width = kind_of(dtype, one.shape)
    return Column(name, kind, width, said_of(one.dtype, one.shape))


def _values(rows: Any) -> np.ndarray | pa.Array:
    array = np.asarray(rows)
    return pa.array(array.reshape(-1).astype(object).tolist(), pa.string()) if array.dtype.kind in "TO" else array

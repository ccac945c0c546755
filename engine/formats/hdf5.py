"""Datasets of an HDF5 file, by their path in it; links to other files are not followed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.extras import extras_named
from gapscope.core.location import Location
from gapscope.formats.arrays import ANY, Wanted, chosen_of, with_class_names
from gapscope.formats.hdf5_heap import refuse_broken_heaps
from gapscope.formats.table import Column, Run, Table, identity_of, kind_of, readable, runs_of, said_of

KIND = "HDF5"


def open_hdf5(place: Location, wanted: Wanted = ANY) -> Table:
    """The datasets in the file at `place`, of which those that belong together are columns."""
    where = str(place)
    with readable(where, KIND), _file(place) as file:
        sets = _datasets(file)
        for name, one in sets.items():
            _refuse_elsewhere(one, f"{name!r} of {where}")
        shapes = {name: one.shape for name, one in sets.items()}
        known = {name: _column(name, one) for name, one in sets.items()}
        columns, apart = chosen_of(known, shapes, wanted, where)
        columns = with_class_names(columns, [known[name] for name in apart], lambda name: sets[name][:].reshape(-1))
        steps = {name: one.chunks[0] if one.chunks else 1 for name, one in sets.items()}
        widths = {name: prod(one.shape[1:]) * one.dtype.itemsize for name, one in sets.items()}
    if not columns:
        raise InputError(f"{where} holds no dataset; a feature file has one of shape (rows, features)")
    rows = shapes[columns[0].name][0]

    def read(names: Sequence[str], start: int) -> Iterator[Run]:
        with readable(where, KIND), _file(place) as file:
            for name in names:
                _refuse_unwritten(file[name], f"{name!r} of {where}")
                if place.is_local and file[name].dtype.kind == "O":  # texts of any length
                    refuse_broken_heaps(file[name], f"{name!r} of {where}")
            step = max(steps[name] for name in names)
            for low, high in runs_of(rows, start, sum(widths[name] for name in names), step):
                yield high - low, {name: _rows(file[name], low, high) for name in names}

    return Table(where, rows, columns, read, identity_of(place), apart)


@contextmanager
def _file(place: Location) -> Iterator[Any]:
    with extras_named(f"reading {place}"):
        import h5py
    if place.is_local:
        with h5py.File(place.path, "r") as file:
            yield file
    else:
        with place.open_input() as stream, h5py.File(stream, "r") as file:
            yield file


def _datasets(file: Any) -> dict[str, Any]:
    """Every array with rows, by its path; soft and external links are no part of it."""
    found: dict[str, Any] = {}

    def visit(name: str, one: Any) -> None:
        if hasattr(one, "dtype") and one.shape:
            found[name] = one

    file.visititems(visit)
    return found


def _refuse_elsewhere(one: Any, where: str) -> None:
    if one.external or one.is_virtual:
        raise InputError(f"{where} keeps its numbers in other files, which are not followed; import these files")


def _refuse_unwritten(one: Any, where: str) -> None:
    """Refuse rows that were never written, which would read as zeros."""
    if one.chunks:
        wanted = prod(-(-length // step) for length, step in zip(one.shape, one.chunks, strict=True))
        there = one.id.get_num_chunks()
        if there < wanted:
            raise InputError(
                f"{where} has {there:,} of its {wanted:,} chunks; the others were never written and would read as "
                "zeros, so write them, or cut the dataset to the rows that are there"
            )
    elif one.size and not one.id.get_storage_size():
        raise InputError(f"{where} has {said_of(one.dtype, one.shape)} of which nothing was ever written")


def _column(name: str, one: Any) -> Column:
    import h5py

    if h5py.check_string_dtype(one.dtype) is not None and prod(one.shape[1:]) == 1:
        return Column(name, "texts", 1, "texts")
    kind, width = kind_of(one.dtype, one.shape)
    numbers = h5py.check_enum_dtype(one.dtype) or {}
    names = tuple(sorted(numbers, key=numbers.__getitem__))
    are_indices = [numbers[each] for each in names] == list(range(len(names)))
    return Column(name, kind, width, said_of(one.dtype, one.shape), names if are_indices else ())


def _rows(one: Any, low: int, high: int) -> np.ndarray | pa.Array:
    if one.dtype.kind == "O":
        return pa.array(one[low:high].reshape(-1).tolist(), pa.binary())
    return one[low:high]

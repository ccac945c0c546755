"""Columns of a user's own table, joined to the rows of a store by the names of the images."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from gapscope.attributes.naming import NONE, rows_named
from gapscope.blocks.formats import listed
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.text import counted
from gapscope.schemas.attributes import SAMPLE_ID
from gapscope.store import EmbeddingStore, Piece
from gapscope.store.beside import write_columns
from gapscope.store.imports.columns import PATH_NAMES

ID = SAMPLE_ID.name
# What a column of numbers that names images is called, unless it is given.
NAMES = (*PATH_NAMES, "name", "id", "image_id")


def add_columns(
    store: EmbeddingStore, table: pa.Table, where: str, keep: Sequence[str] = (), key: str = ""
) -> tuple[int, str]:
    """Write columns of `table` beside the rows of a store; how many rows have one of its rows, and a sentence about
    those that have not, empty where there are none.

    Parameters
    ----------
    where
        What the table is called in messages.
    keep
        Columns to add; all but the one that names the images when not given.
    key
        The column that names the images; the one that names most when not given.

    Raises
    ------
    InputError
        No column names the images, one image has two different rows, or a column to keep is not there.
    """
    paths = store.paths(Piece(0, store.rows))
    name, rows = _matched(store, paths, table, where, key)
    wanted = _wanted(table, keep, name, where)
    write_columns(store, table.select(wanted).take(pa.array(rows, pa.int64(), mask=rows < 0)))
    missing = int((rows < 0).sum())
    example = paths[int(np.flatnonzero(rows < 0)[0])] if missing else ""
    note = f"{store.name}: {counted(missing, 'row')} of {store.rows:,} have none in {where}, such as {example}."
    return store.rows - missing, note if missing else ""


def _wanted(table: pa.Table, keep: Sequence[str], key: str, where: str) -> list[str]:
    for one in keep:
        if one not in table.column_names:
            raise unknown_name(f"column in {where}", one, table.column_names)
    wanted = [one for one in keep or table.column_names if one not in (key, ID)]
    if not wanted:
        raise InputError(f"{where} has no column beside {key}, which names the images; add one, such as the site")
    return wanted


def _matched(
    store: EmbeddingStore, paths: Sequence[str], table: pa.Table, where: str, key: str
) -> tuple[str, np.ndarray]:
    """The column that names the images, and the row of the table for each row of the store, -1 for none; ``(n,)``."""
    if key and key not in table.column_names:
        raise unknown_name(f"column in {where}", key, table.column_names)
    made = store.provenance
    best: tuple[int, str, np.ndarray, list[str]] = (0, "", np.full(len(paths), NONE), [])
    for name in [key] if key else table.column_names:
        if not key and name.casefold() not in (*NAMES, ID) and not _is_text(table[name]):
            continue  # an age is no name of an image
        names = ["" if one is None else str(one) for one in table[name].to_pylist()]
        first = {one: row for row, one in reversed(list(enumerate(names))) if one}
        if name == ID:
            rows = np.array([first.get(str(one), NONE) for one in store.sample_ids().tolist()], np.int64)
        elif _is_text(table[name]) or pa.types.is_integer(table[name].type):
            at = rows_named(paths, list(first), made.dataset, made.split).rows
            rows = np.append(list(first.values()), NONE)[np.maximum(at, NONE)]
        else:
            continue
        if int((rows >= 0).sum()) > best[0]:
            best = (int((rows >= 0).sum()), name, rows, names)
    if not best[0]:
        raise InputError(
            f"no column of {where} names images of {store.name}, which are called as {listed(list(paths), 2)}; it has "
            f"{listed(table.column_names, 8)}: name the images as they are stored, or give a column {ID}"
        )
    _refuse_contradictions(table, best[2], best[3], where)
    return best[1], best[2]


def _is_text(column: pa.ChunkedArray) -> bool:
    return pa.types.is_string(column.type) or pa.types.is_large_string(column.type)


def _refuse_contradictions(table: pa.Table, rows: np.ndarray, names: Sequence[str], where: str) -> None:
    """Rows of the table that have one of the `names` of the images have to say the same."""
    by_name: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        by_name.setdefault(name, []).append(row)
    for name in {names[row] for row in rows[rows >= 0].tolist()}:
        same = table.take(by_name[name]).to_pylist() if len(by_name[name]) > 1 else []
        if any(row != same[0] for row in same):
            raise InputError(f"{where} has {len(same)} rows for {name} that differ; keep one for each image")

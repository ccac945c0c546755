"""Columns that are kept beside imported features."""

from collections.abc import Sequence

import pyarrow as pa

from gapscope.core.errors import InputError, unknown_name
from gapscope.store.beside import brought, write_columns
from gapscope.store.imports.columns import some
from gapscope.store.imports.source import Source
from gapscope.store.store import EmbeddingStore

ALL = "all"


def names_to_keep(keep: Sequence[str], source: Source) -> list[str]:
    """The columns of `source` that `keep` asks for; ``all`` stands for all that are no feature, label or path.

    Raises
    ------
    InputError
        One is not there.
    """
    if list(keep) == [ALL] and ALL not in source.others:
        return list(source.others)
    for name in keep:
        if name not in source.others:
            error = unknown_name("column to keep", name, source.others)
            raise error if source.others else InputError(f"--keep {name}: {source.origin} has no column to keep")
    return list(dict.fromkeys(keep))


def ignored(kept: Sequence[str], source: Source) -> str:
    """A sentence about the columns that are neither used nor kept; empty where there are none."""
    names = [name for name in source.others if name not in kept]
    return f"ignored columns: {some(names)}; --keep stores them beside the features" if names else ""


def keep_columns(store: EmbeddingStore, source: Source, names: Sequence[str]) -> None:
    """Write the columns `names` of the `source` that a store was imported from beside its rows; nothing where they are
    there already. Memory: the columns themselves.
    """
    if set(names) <= set(brought(store)):
        return
    table, rows = source.read_others(names), store.sample_ids()
    if len(rows) and int(rows.max()) >= len(table):
        raise InputError(
            f"{store.name} has row {int(rows.max()):,} and {source.origin} {len(table):,}; import them again"
        )
    write_columns(store, table.take(pa.array(rows)))

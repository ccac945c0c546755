"""What is known of each row beside its embedding: measured attributes, and the columns that the user brought."""

from collections.abc import Sequence
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from gapscope.core.files import damaged, read_sealed, read_table, seal_of
from gapscope.core.lease import Lease
from gapscope.core.location import Location
from gapscope.schemas.attributes import ATTRIBUTES_NAME, BESIDE, COLUMNS_NAME, SAMPLE_ID
from gapscope.store.selected import Selected, whole_of
from gapscope.store.store import EmbeddingStore
from gapscope.store.write import StoreWriter, read_manifest

ID = SAMPLE_ID.name


def has_beside(store: EmbeddingStore | Selected) -> bool:
    """Whether anything is known of some rows."""
    whole = whole_of(store)
    return any(name.startswith(BESIDE) for name in whole.manifest.seals)


def beside(store: EmbeddingStore | Selected, rows: int | None = None) -> pa.Table:
    """``sample_id`` and what is known of the first `rows` rows of a store, all by default, in store order.

    A row of which a column is not known has null there, or NaN. A column of the user's that is called as an attribute
    has `` (own)`` behind its name. About 100 bytes a row.

    Raises
    ------
    DamageError
        A table is not the one that the store's manifest speaks of.
    """
    if isinstance(store, Selected):
        places = store.positions[:rows]
        last = int(places[-1]) + 1 if len(places) else 0
        return beside(store.store, last).take(pa.array(places))
    sample_id = pa.array(store.sample_ids()[:rows], pa.int64())
    measured, brought = (_joined(store, kind, sample_id) for kind in (ATTRIBUTES_NAME, COLUMNS_NAME))
    for name in brought.column_names[1:]:
        measured = measured.append_column(f"{name} (own)" if name in measured.column_names else name, brought[name])
    return measured


def _joined(store: EmbeddingStore, kind: str, sample_id: pa.Array) -> pa.Table:
    """The tables of one kind below each other, a row for each of ``sample_id``, the first rows of the store."""
    seals = store.manifest.seals
    ends = list(accumulate((part.rows for part in store.manifest.parts), initial=0))
    tables = []
    for part, start in enumerate(ends[:-1]):
        own = sample_id.slice(start, ends[part + 1] - start)
        if part and not len(own):
            break
        name = kind.format(part)
        tables.append(_of_part(store.folder / name, seals[name], own) if name in seals else pa.table({ID: own}))
    return pa.concat_tables(tables, promote_options="default") if tables else pa.table({ID: sample_id})


def _of_part(place: Location, seal: str, sample_id: pa.Array) -> pa.Table:
    """The table at `place` in the order of ``sample_id``, null in rows that it does not have."""
    try:
        table = read_table(place)
        if seal_of(read_sealed(place)) != seal:
            raise damaged(place, "it is the table of another store, or of the same before it was made again")
    except FileNotFoundError:
        raise damaged(place, "it is missing") from None
    own = table[ID].combine_chunks()
    if own.equals(sample_id):
        return table
    return table.take(pc.index_in(sample_id, own)).set_column(0, SAMPLE_ID, sample_id)


def brought(store: EmbeddingStore) -> list[str]:
    """Names of the columns that the user has brought for the rows of a store."""
    names = [COLUMNS_NAME.format(part) for part in range(len(store.manifest.parts))]
    return list(
        dict.fromkeys(
            column
            for name in names
            if name in store.manifest.seals
            for column in read_table(store.folder / name).column_names[1:]
        )
    )


def write_columns(store: EmbeddingStore, columns: pa.Table) -> None:
    """Write the user's `columns`, a row for each row of the store, beside its parts; columns that were brought before
    stay, unless they have the same name.
    """
    columns, start = plain(columns), 0
    with Lease(store.folder):
        writer = StoreWriter(store.folder, store.provenance)
        for part, record in enumerate(store.manifest.parts):
            own = pa.array(writer.sample_ids(part), pa.int64())
            before = _without(store, part, own, columns.column_names)
            for name in columns.column_names:
                before = before.append_column(name, columns[name].slice(start, record.rows))
            writer.write_columns(part, before)
            start += record.rows
        writer.rewrite(read_manifest(store.folder))


def _without(store: EmbeddingStore, part: int, sample_id: pa.Array, replaced: Sequence[str]) -> pa.Table:
    """The columns that a part has already, but for those that are `replaced`."""
    name = COLUMNS_NAME.format(part)
    if name not in store.manifest.seals:
        return pa.table({ID: sample_id})
    table = _of_part(store.folder / name, store.manifest.seals[name], sample_id)
    return table.drop_columns([one for one in table.column_names if one in replaced])


def plain(table: pa.Table) -> pa.Table:
    """Columns as numbers (float64, NaN as null) or as texts; what is empty is null.

    >>> plain(pa.table({"age": [30, None], "site": ["A", ""], "sure": [True, False]})).to_pylist()
    [{'age': 30.0, 'site': 'A', 'sure': 'true'}, {'age': None, 'site': None, 'sure': 'false'}]
    """
    return pa.table({name: _plain(table[name]) for name in table.column_names})


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = column.cast(pa.float64())
        return pc.if_else(pc.is_finite(numbers), numbers, None)
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    try:
        texts = column.cast(pa.string())
    except pa.ArrowException:
        texts = pa.chunked_array([pa.array([None if one is None else str(one) for one in column.to_pylist()])])
    texts = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(texts, ""), None, texts)

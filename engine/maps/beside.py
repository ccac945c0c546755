"""What is known of the rows of a map beside their embeddings: columns of its table."""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.location import Location
from gapscope.schemas.coordinates import NAME, PREDICTED_SCHEMA
from gapscope.store import EmbeddingStore
from gapscope.store.beside import ID, beside
from gapscope.store.selected import Selected

Store = EmbeddingStore | Selected


class Beside(NamedTuple):
    """Attributes and columns of all sets: numbers where all sets have numbers, else texts; null where not known.

    Attributes
    ----------
    fields
        Of the table of points.
    tables
        Of each set, a row for each of its rows.
    """

    fields: list[pa.Field]
    tables: list[pa.Table]

    @classmethod
    def of(cls, stores: Sequence[Store]) -> "Beside":
        """Those of the sets of a map; about 100 bytes a row."""
        tables = [_named(beside(store)) for store in stores]
        names = dict.fromkeys(name for table in tables for name in table.column_names)
        return cls([pa.field(name, _type(name, tables)) for name in names], tables)

    def rows(self, number: int, start: int, count: int) -> dict[str, pa.Array]:
        """The columns of `count` rows of set `number` from `start` on."""
        table = self.tables[number].slice(start, count)
        return {field.name: _column(table, field, count) for field in self.fields}


def names_beside(stores: Sequence[Store]) -> set[str]:
    """The columns that these sets have beside their embeddings."""
    return {name for store in stores for name in _named(beside(store, 1)).column_names}


def check_colours(names: Sequence[str], stores: Sequence[Store]) -> None:
    """See that the rows of these sets have the columns that a map is to be coloured by.

    Raises
    ------
    InputError
        They have not, or nothing is known in one of them.
    """
    known = names_beside(stores) if names else set()
    if names and not known:
        raise InputError(f"these sets have no attributes to colour a map by {names[0]}; `measure` adds them")
    for name in names:
        if name not in known:
            raise unknown_name("attribute or column", name, sorted(known))
    tables = Beside.of(stores).tables if names else []
    for name in names:
        if not any(pc.any(pc.invert(pc.is_null(one[name], nan_is_null=True))).as_py()
                   for one in tables if name in one.column_names):  # fmt: skip
            raise InputError(f"none of these images has a known {name}; there is nothing to colour a map by")


def has_columns(points: Location, names: set[str]) -> bool:
    """Whether a table of points has these columns, and no others beside its own."""
    with points.open_input() as file:
        there = set(pq.read_schema(file).names)
    return there - set(PREDICTED_SCHEMA.names) == names


def _named(table: pa.Table) -> pa.Table:
    """Without ids; a column that is called as one of a map's has `` (own)`` behind its name."""
    table = table.drop_columns([ID])
    return table.rename_columns(
        [f"{name} (own)" if name in PREDICTED_SCHEMA.names else name for name in table.column_names]
    )


def _type(name: str, tables: Sequence[pa.Table]) -> pa.DataType:
    kinds = [table[name].type for table in tables if name in table.column_names]
    return pa.float32() if all(map(pa.types.is_floating, kinds)) else NAME


def _column(table: pa.Table, field: pa.Field, count: int) -> pa.Array:
    if field.name not in table.column_names:
        return pa.nulls(count, field.type)
    column = table[field.name].combine_chunks()
    if field.type == pa.float32():
        numbers = column.cast(pa.float32())
        return pa.array(numbers.to_numpy(zero_copy_only=False), field.type, from_pandas=True)
    return column.cast(pa.string()).dictionary_encode().cast(field.type)

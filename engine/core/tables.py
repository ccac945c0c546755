"""CSV tables of a few columns, read whole and with care: a quote that is never closed swallows rows without a word."""

from collections.abc import Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from gapscope.core.text import composed

# Characters of a cell that a message shows.
SHOWN = 20


def composed_texts(table: pa.Table) -> pa.Table:
    """The table with all texts, and the names of its columns, composed: see `gapscope.core.text.composed`."""
    names = [composed(name) for name in table.column_names]
    return pa.table(list(map(_composed, table.columns)), names).replace_schema_metadata(table.schema.metadata)


def _composed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = getattr(column.type, "value_type", column.type)  # of the cells of lists, and of categories
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return column
    if kind == column.type:
        is_plain = pc.all(pc.string_is_ascii(column)).as_py() is not False
        return column if is_plain else pc.utf8_normalize(column, "NFC")
    if pa.types.is_dictionary(column.type):
        return _composed(column.cast(kind))
    if pc.all(pc.string_is_ascii(pc.list_flatten(column))).as_py() is not False:
        return column
    cells = [cell and [one and composed(one) for one in cell] for cell in column.to_pylist()]
    return pa.chunked_array([pa.array(cells, column.type)])


def read_csv(file: BinaryIO, delimiter: str = ",", types: Mapping[str, Any] | None = None) -> pa.Table:
    """The table in `file`, columns of certain `types` as these.

    Raises
    ------
    ValueError
        It is no text in UTF-8, or a cell holds a line break.
    pyarrow.ArrowException
        It is no table.
    """
    table = pyarrow.csv.read_csv(
        file,
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict(types or {})),
    )
    try:
        names = table.column_names
    except UnicodeDecodeError:
        raise ValueError("its header is no text in UTF-8; save the file as UTF-8") from None
    for name in names:
        for column in (one for one, own in zip(table.columns, names, strict=True) if own == name):
            _check(column, name)
    return table


def _check(column: pa.ChunkedArray, name: str) -> None:
    if pa.types.is_binary(column.type):
        raise ValueError(f"the column {name!r} is no text in UTF-8; save the file as UTF-8")
    if not pa.types.is_string(column.type):
        return
    broken = column.filter(pc.match_substring_regex(column, r"[\r\n]"))
    if len(broken):
        raise ValueError(
            f"a cell of the column {name!r} holds a line break ({broken[0].as_py()[:SHOWN]!r}…): a quote is opened and "
            "not closed in its line; mend that line"
        )

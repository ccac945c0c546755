"""CSV tables of a few columns, read whole and with care: a quote that is never closed swallows rows without a word."""

from collections.abc import Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

# Characters of a cell that a message shows.
SHOWN = 20


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

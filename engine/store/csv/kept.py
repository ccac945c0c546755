"""Columns of CSV files beside features, label and path, in a pass of their own."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.store.csv.header import Header
from gapscope.store.imports.files import open_bytes

BLOCK_BYTES = 2**24


def read_columns(places: Sequence[Location], headers: Sequence[Header], names: Sequence[str]) -> pa.Table:
    """The columns `names` of all records of the files, one after the other; numbers where all texts of one are."""
    whole = pa.concat_tables([_of_file(place, header, names) for place, header in zip(places, headers, strict=True)])
    return pa.table({name: _typed(whole[name]) for name in names})


def _of_file(place: Location, header: Header, names: Sequence[str]) -> pa.Table:
    """Columns of all records of a file, null in records that have another number of fields."""
    broken: list[int] = []

    def skip(row: pyarrow.csv.InvalidRow) -> str:
        broken.append(row.number)
        return "skip"

    with open_bytes(place) as (_, stream):
        stream.seek(header.length)
        try:
            table = pyarrow.csv.read_csv(
                stream,
                read_options=pyarrow.csv.ReadOptions(
                    column_names=list(header.names), use_threads=False, block_size=BLOCK_BYTES
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=skip
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=list(names), column_types=dict.fromkeys(names, pa.string())
                ),
            )
        except pa.ArrowException as error:
            raise InputError(f"{place}: its columns {', '.join(names)} cannot be read ({error})") from error
    return table if not broken else _with_gaps(table, np.array(broken) - 1)


def _with_gaps(table: pa.Table, broken: np.ndarray) -> pa.Table:
    """The table with null rows at the positions ``broken : (b,)`` of all records."""
    place = np.full(len(table) + len(broken), -1)
    place[np.isin(np.arange(len(place)), broken, invert=True)] = np.arange(len(table))
    return table.take(pa.array(place, mask=place < 0))


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers where all texts are numbers.

    >>> _typed(pa.chunked_array([["1", " 2.5", ""]])).to_pylist(), _typed(pa.chunked_array([["1", "A"]])).to_pylist()
    ([1.0, 2.5, None], ['1', 'A'])
    """
    texts = pc.utf8_trim_whitespace(column)
    try:
        return pc.if_else(pc.equal(texts, ""), None, texts).cast(pa.float64())
    except pa.ArrowException:
        return column

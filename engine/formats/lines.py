"""Labels or names beside features, as text: one on each line, or a column of a CSV file."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.csv as pc

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.formats.table import Column, Run, Table, identity_of, readable

ROWS = 65536


def open_lines(place: Location) -> Table:
    """A text on each line of the file at `place`; a line without one is an empty text."""
    where = str(place)
    with readable(where, "text in UTF-8"):
        rows = sum(len(texts) for texts in _texts(place))
    if not rows:
        raise InputError(f"{where} is empty")

    def read(_names: Sequence[str], start: int) -> Iterator[Run]:
        row = 0
        with readable(where, "text in UTF-8"):
            for texts in _texts(place):
                rest = texts[max(0, start - row) :]
                row += len(texts)
                if rest:
                    yield len(rest), {"": pa.array(rest, pa.string())}

    return Table(where, rows, (Column("", "texts", 1, "lines of text"),), read, identity_of(place))


def _texts(place: Location) -> Iterator[list[str]]:
    """The lines, in runs."""
    rest = b""
    with place.open_input() as stream:
        while block := stream.read(2**20):
            *lines, rest = (rest + block).split(b"\n")
            yield [_text(line) for line in lines]
    if rest:
        yield [_text(rest)]


def _text(line: bytes) -> str:
    return line.decode().removesuffix("\r").removeprefix("\ufeff")


def open_columns(place: Location) -> Table:
    """The columns of a CSV file as texts."""
    where = str(place)
    with readable(where, "CSV"), _reader(place, None) as reader:
        names = reader.schema.names
        rows = sum(batch.num_rows for batch in reader)
    columns = tuple(Column(name, "texts", 1, "texts") for name in names)

    def read(names: Sequence[str], start: int) -> Iterator[Run]:
        row = 0
        with readable(where, "CSV"), _reader(place, list(names)) as reader:
            for batch in reader:
                low = max(0, min(batch.num_rows, start - row))
                row += batch.num_rows
                if low < batch.num_rows:
                    part = batch.slice(low)
                    yield part.num_rows, {name: part.column(name) for name in names}

    return Table(where, rows, columns, read, identity_of(place))


def _reader(place: Location, names: list[str] | None) -> pc.CSVStreamingReader:
    header = _names(place)
    tabs = place.name.endswith(".tsv")
    return pc.open_csv(
        place.open_input(),
        parse_options=pc.ParseOptions(delimiter="\t" if tabs else ",", newlines_in_values=True),
        convert_options=pc.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), include_columns=names or header, strings_can_be_null=False
        ),
    )


def _names(place: Location) -> list[str]:
    from gapscope.store.csv.header import read_header  # here, because its kernel takes longer to load than it reads

    return list(read_header(place, "\t" if place.name.endswith(".tsv") else ",").names)

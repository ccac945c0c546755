"""Labels or names beside features, as text: one on each line, a column of a CSV file, or JSON."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pc

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.formats.arrow import open_frame
from gapscope.formats.table import Column, Run, Table, identity_of, readable
from gapscope.store.imports.files import open_bytes

if TYPE_CHECKING:
    from gapscope.store.csv.header import Header

TABLES, JSON_LINES, JSON = (".csv", ".tsv"), (".jsonl", ".ndjson"), (".json", ".jsonl", ".ndjson")
# What the columns of labels by name hold, whose order says nothing.
BY_NAME = "texts by name"
# What a file of plain text holds.
LINES = "lines of text"
# Text that is no label on each line.
STRUCTURED = (".yaml", ".yml", ".xml", ".toml", ".html", ".md")


def open_text(place: Location) -> Table:
    """The texts in the file at `place`, by its name: CSV, JSON, or one on each line.

    Raises
    ------
    InputError
        Its name says that it holds something else.
    """
    name = plain_name(place)
    if name.endswith(STRUCTURED):
        raise InputError(
            f"{place} is none of a list of lines, CSV and JSON; save the values as one of these, or as .npy"
        )
    if name.endswith(JSON):
        return open_objects(place)
    return open_columns(place) if name.endswith(TABLES) else open_lines(place)


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

    return Table(where, rows, (Column("", "texts", 1, LINES),), read, identity_of(place))


def _texts(place: Location) -> Iterator[list[str]]:
    """The lines, in runs."""
    rest = b""
    with open_bytes(place) as (_, stream):
        while block := stream.read(2**20):
            *lines, rest = (rest + block).split(b"\n")
            yield [_text(line) for line in lines]
    if rest:
        yield [_text(rest)]


def _text(line: bytes) -> str:
    return line.decode().removesuffix("\r").removeprefix("\ufeff")


def open_objects(place: Location) -> Table:
    """The values in a JSON file, or the fields of its objects, as texts; JSON lines and labels by name too."""
    where = str(place)
    with readable(where, "JSON"), open_bytes(place) as (_, stream):
        text = stream.read().decode()
        lines = plain_name(place).endswith(JSON_LINES)
        rows: Any = [json.loads(line) for line in text.splitlines() if line.strip()] if lines else json.loads(text)
    by_name = isinstance(rows, dict) and not any(isinstance(value, dict | list) for value in rows.values())
    if by_name:
        rows = [{"path": name, "label": value} for name, value in rows.items()]
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{where} holds no list of values or of objects, one for each row, and no labels by name")
    if all(isinstance(row, dict) for row in rows):
        names = list(dict.fromkeys(name for row in rows for name in row))
        table = pa.table({name: pa.array([_written(row.get(name)) for row in rows], pa.string()) for name in names})
    else:
        table = pa.table({"": pa.array([_written(row) for row in rows], pa.string())})
    opened = replace(open_frame(table, where, ""), identity=identity_of(place))
    if by_name:
        opened = replace(opened, columns=tuple(one._replace(about=BY_NAME) for one in opened.columns))
    return opened


def _written(value: object) -> str | None:
    """A JSON value as the text that a CSV file would hold."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


def plain_name(place: Location) -> str:
    """The name of a file in small letters, without what says that it is compressed."""
    return place.name.lower().removesuffix(".gz").removesuffix(".zst")


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


@contextmanager
def _reader(place: Location, names: list[str] | None) -> Iterator[pc.CSVStreamingReader]:
    header = _header(place)
    parsing = pc.ParseOptions(delimiter=header.delimiter, newlines_in_values=True)
    types, wanted = dict.fromkeys(header.names, pa.string()), names or list(header.names)
    converting = pc.ConvertOptions(column_types=types, include_columns=wanted, strings_can_be_null=False)
    with (
        open_bytes(place) as (_, stream),
        pc.open_csv(stream, parse_options=parsing, convert_options=converting) as reader,
    ):
        yield reader


def _header(place: Location) -> "Header":
    from gapscope.store.csv.header import read_header  # here, because its kernel takes longer to load than it reads

    return read_header(place, "\t" if plain_name(place).endswith(".tsv") else None)

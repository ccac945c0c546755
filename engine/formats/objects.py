"""JSON by others: an object on each line, a list of objects or of vectors, or an object of columns."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.json as pj

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.formats.arrays import ANY, Wanted, chosen_of, with_class_names
from gapscope.formats.arrow import LOOKED_AT, columns_of, open_frame
from gapscope.formats.lines import JSON_LINES, plain_name
from gapscope.formats.table import RUN_BYTES, Run, Table, identity_of, readable
from gapscope.store.imports.files import open_bytes

KIND = "JSON"
# Beyond this a line is no row of features, and a file with one value is not read as a whole.
LONGEST_LINE, WHOLE_BYTES = 2**26, 2**27
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def open_json(place: Location, wanted: Wanted = ANY) -> Table:
    """The rows of a JSON file: by its name one with an object on each line, or one with a single value."""
    where = str(place)
    with readable(where, KIND):
        if plain_name(place).endswith(JSON_LINES):
            return _open_lines(place, where)
        return _open_whole(place, where, wanted)


def _open_lines(place: Location, where: str) -> Table:
    schema, first, rows = _described(_blocks(place, where), where)

    def read(names: Sequence[str], start: int) -> Iterator[Run]:
        wanted, row = pa.schema([schema.field(name) for name in names]), 0
        with readable(where, KIND):
            for lines in _blocks(place, where):
                count = _count(lines)
                if row + count > start:
                    part = _parsed(lines, wanted, row, where).slice(max(0, start - row))
                    yield part.num_rows, {name: part.column(name).combine_chunks() for name in names}
                row += count

    columns = columns_of(schema, lambda names: first.select(list(names)))
    return Table(where, rows, columns, read, identity_of(place))


def _blocks(place: Location, where: str) -> Iterator[bytes]:
    """Runs of whole lines."""
    rest, at_start = b"", True
    with open_bytes(place) as (_, stream):
        while block := stream.read(RUN_BYTES):
            lines, end, rest = (rest + block).rpartition(b"\n")
            if len(rest) > LONGEST_LINE:
                raise InputError(
                    f"{where} has a line of more than {LONGEST_LINE:,} bytes; write one object on each line"
                )
            if end:
                yield lines.removeprefix(BYTE_ORDER_MARK) if at_start else lines
                at_start = False
    if rest:
        yield rest.removeprefix(BYTE_ORDER_MARK) if at_start else rest


def _count(lines: bytes) -> int:
    """Lines that hold something."""
    return sum(not line.isspace() and line != b"" for line in lines.split(b"\n"))


def _described(blocks: Iterator[bytes], where: str) -> tuple[pa.Schema, pa.Table, int]:
    """The fields of all objects, some of the first rows, and the number of rows.

    All is read once before the import: what is a number in the first rows may be text, or have parts, in the last.
    """
    schema, first, rows = pa.schema([]), None, 0
    for lines in blocks:
        table = _parsed(lines, None, rows, where)
        first = table if first is None and table.num_rows else first
        rows += table.num_rows
        schema = _joined(schema, table.schema, where)
    if first is None:
        raise InputError(f"{where} holds no row")
    missing = [field for field in schema if field.name not in first.schema.names]
    for field in missing:
        first = first.append_column(field, pa.nulls(first.num_rows, field.type))
    return schema, first, rows


def _joined(one: pa.Schema, other: pa.Schema, where: str) -> pa.Schema:
    """The fields of both, each of the type that holds the values of both."""
    kinds = dict(zip(one.names, one.types, strict=True))
    for field in other:
        kind = _without_times(field.type)
        try:
            pair = [pa.schema([(field.name, known)]) for known in (kinds.get(field.name, kind), kind)]
            kinds[field.name] = pa.unify_schemas(pair, promote_options="permissive").types[0]
        except pa.ArrowException as error:
            raise InputError(_several(where, field.name)) from error
    return pa.schema(list(kinds.items()))


def _several(where: str, name: str) -> str:
    return f"{where} has values of several kinds as {name!r}, such as numbers and texts; write one kind"


def _without_times(kind: pa.DataType) -> pa.DataType:
    """A text that looks like a time is a text."""
    return pa.string() if pa.types.is_timestamp(kind) else kind


def _parsed(lines: bytes, schema: pa.Schema | None, row: int, where: str) -> pa.Table:
    """The objects of some lines, of which the first is row `row`; the fields of `schema` where that is given."""
    count = _count(lines)
    if not count:
        return (schema or pa.schema([])).empty_table()
    options = pj.ParseOptions(schema, unexpected_field_behavior="infer" if schema is None else "ignore")
    try:
        table = pj.read_json(pa.BufferReader(lines), pj.ReadOptions(block_size=len(lines) + 1), options)
    except pa.ArrowException as error:
        raise InputError(_mistake(lines, row, where)) from error
    if table.num_rows != count:
        raise InputError(_mistake(lines, row, where))
    return table


def _mistake(lines: bytes, row: int, where: str) -> str:
    """What is wrong with the first line that does not fit, and which it is."""
    kinds: dict[str, type] = {}
    for line in lines.split(b"\n"):
        if not line or line.isspace():
            continue
        try:
            value = json.loads(line, object_pairs_hook=_once)
        except InputError as error:
            return f"{where}, row {row}: {error}"
        except (ValueError, RecursionError) as error:
            return f"{where}, row {row}: no JSON ({error}); write one object on each line"
        if not isinstance(value, dict):
            return f"{where}, row {row}: {type(value).__name__} where an object with its fields is expected"
        for name, one in value.items():
            kind = float if type(one) is int else type(one)
            if one is not None and kinds.setdefault(name, kind) is not kind:
                return f"row {row} of {_several(where, name)}"
        row += 1
    return f"{where}, rows {row - _count(lines)} to {row - 1}: values of several kinds in one field; write one kind"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, no name of which is there twice."""
    value = dict(pairs)
    if len(value) < len(pairs):
        name = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise InputError(f"an object has {name!r} twice; keep the right one")
    return value


def _open_whole(place: Location, where: str, wanted: Wanted) -> Table:
    """A list of objects or of vectors, or an object of columns, of which those that belong together are taken."""
    if place.size() > WHOLE_BYTES:
        raise InputError(
            f"{where} has {place.size():,} bytes in one JSON value, which cannot be read in pieces; write one object "
            "on each line of a .jsonl file"
        )
    with open_bytes(place) as (_, stream):
        value = json.loads(stream.read(), object_pairs_hook=_once)
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        names = dict.fromkeys(name for row in value for name in row)
        value = {name: [row.get(name) for row in value] for name in names}
    elif not isinstance(value, dict):
        value = {"": value}
    lists = {name: values for name, values in value.items() if isinstance(values, list)}
    if not any(lists.values()):
        raise InputError(
            f'{where} holds no rows; wanted is a list of objects, such as {{"embedding": [0.5, 1], "label": "cat"}}, '
            "or of vectors, or an object of such lists"
        )
    return _of_lists({name: _array(values, where, name) for name, values in lists.items()}, place, where, wanted)


def _of_lists(arrays: dict[str, pa.Array], place: Location, where: str, wanted: Wanted) -> Table:
    known = {name: columns_of(pa.schema([(name, one.type)]), _first(name, one))[0] for name, one in arrays.items()}
    columns, apart = chosen_of(known, {name: (len(one),) for name, one in arrays.items()}, wanted, where)
    columns = with_class_names(columns, [known[name] for name in apart], lambda name: arrays[name].to_pylist())
    table = open_frame(pa.table({column.name: arrays[column.name] for column in columns}), where, "")
    return replace(table, columns=columns, identity=identity_of(place), apart=apart)


def _first(name: str, array: pa.Array) -> Callable[[Sequence[str]], pa.Table]:
    return lambda _names: pa.table({name: array.slice(0, LOOKED_AT)})


def _array(values: list[Any], where: str, name: str) -> pa.Array:
    try:
        return pa.array(values)
    except pa.ArrowException as error:
        raise InputError(_several(where, name)) from error

"""Parquet and Arrow files by others, and tables in memory: a list column, or a column for each feature."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.formats.arrays import ANY, Wanted
from gapscope.formats.table import RUN_BYTES, Column, Identity, Kind, Run, Table, identity_of, readable

PARQUET, ARROW = "Parquet", "Arrow"
# Bytes of a column that are read from the file at once, where there is one column of vectors and where there are many.
FEW_BUFFER, MANY_BUFFER = 2**20, 2**16
END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
# Rows looked at to learn how long the lists of a column are.
LOOKED_AT = 1000


def open_parquet(place: Location, _wanted: Wanted = ANY) -> Table:
    """The rows of a Parquet file."""
    where = str(place)
    with readable(where, PARQUET), _parquet(place, FEW_BUFFER) as file:
        columns = columns_of(file.schema_arrow, lambda names: _first(file, names))
        rows = file.metadata.num_rows
        groups = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]

    def read(names: Sequence[str], start: int) -> Iterator[Run]:
        first, skipped = _group_of(groups, start)
        width = sum(column.width for column in columns if column.name in names)
        buffer = FEW_BUFFER if len(names) < 20 else MANY_BUFFER
        batch_rows = max(1, RUN_BYTES // (4 * max(1, width)))
        with readable(where, PARQUET), _parquet(place, buffer) as file:
            wanted = range(first, len(groups))
            batches = file.iter_batches(batch_rows, wanted, list(names)) if wanted else iter(())
            yield from _runs(batches, names, start - skipped, rows - skipped, where)

    return Table(where, rows, columns, read, identity_of(place))


@contextmanager
def _parquet(place: Location, buffer: int) -> Iterator[Any]:
    """The file, read in pieces of `buffer` bytes: a row group may be larger than memory."""
    options = {"buffer_size": buffer, "pre_buffer": False, "page_checksum_verification": True}
    with place.open_input() as stream, pq.ParquetFile(stream, **options) as file:
        yield file


def _group_of(groups: Sequence[int], start: int) -> tuple[int, int]:
    """The row group that holds row `start`, and the rows before it."""
    skipped = 0
    for index, rows in enumerate(groups):
        if start < skipped + rows:
            return index, skipped
        skipped += rows
    return len(groups), skipped


def _first(file: Any, names: Sequence[str]) -> pa.Table:
    """Some of the first rows of list columns."""
    for batch in file.iter_batches(LOOKED_AT, columns=list(names)):
        return pa.Table.from_batches([batch])
    return file.schema_arrow.empty_table().select(list(names))


def open_arrow(place: Location, _wanted: Wanted = ANY) -> Table:
    """The rows of an Arrow file: Feather, an IPC file, or a stream such as `save_to_disk` writes."""
    where = str(place)
    with readable(where, ARROW), _batches(place) as (schema, batches):
        sizes, first = [], None
        for batch in batches():
            first = first if first is not None and first.num_rows else batch
            sizes.append(batch.num_rows)
        head = first.slice(0, LOOKED_AT) if first is not None else None
        columns = columns_of(schema, lambda names: _head(schema, head, names))

    def read(names: Sequence[str], start: int) -> Iterator[Run]:
        first, skipped = _group_of(sizes, start)
        width = sum(column.width for column in columns if column.name in names)
        batch_rows = max(1, RUN_BYTES // (4 * max(1, width)))
        with readable(where, ARROW), _batches(place) as (_, batches):
            wanted = (_checked(batch, names) for index, batch in enumerate(batches()) if index >= first)
            cut = (one.slice(low, batch_rows) for one in wanted for low in range(0, one.num_rows, batch_rows))
            yield from _runs(cut, names, start - skipped, sum(sizes) - skipped, where)

    return Table(where, sum(sizes), columns, read, identity_of(place))


@contextmanager
def _batches(place: Location) -> Iterator[tuple[pa.Schema, Any]]:
    """The schema, and a function that goes through the record batches."""
    with pa.memory_map(place.path) if place.is_local else place.open_input() as source:
        if source.read(6) == b"ARROW1":
            source.seek(0)
            file = pa.ipc.open_file(source)
            yield file.schema, lambda: (file.get_batch(index) for index in range(file.num_record_batches))
        else:
            source.seek(0)
            stream = pa.ipc.open_stream(source)
            yield stream.schema, lambda: _ended(stream, source, str(place))


def _ended(stream: Any, source: Any, where: str) -> Iterator[pa.RecordBatch]:
    """The batches of a stream, whose end must be marked: one that is cut between two batches reads like a whole one."""
    yield from stream
    source.seek(max(0, source.tell() - len(END_OF_STREAM)))
    end = source.read()
    if not end.startswith(END_OF_STREAM):
        raise InputError(
            f"{where} ends without the mark that an Arrow stream ends with; it is not fully copied, or was not closed "
            "by its writer"
        )
    if behind := len(end) - len(END_OF_STREAM):
        raise InputError(
            f"{where} goes on for {behind:,} bytes behind the end of its stream, of which nothing is known; save each "
            "table in a file of its own"
        )


def _head(schema: pa.Schema, batch: pa.RecordBatch | None, names: Sequence[str]) -> pa.Table:
    if batch is None:
        return schema.empty_table().select(list(names))
    return pa.Table.from_batches([_checked(batch, names)])


def _checked(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """Some columns of a batch, whose offsets lie within their buffers: nobody has vouched for the file."""
    chosen = batch.select(list(names))
    chosen.validate(full=True)
    return chosen


def open_frame(table: pa.Table, name: str, digest: str) -> Table:
    """An Arrow table in memory."""
    columns = columns_of(table.schema, lambda names: table.slice(0, LOOKED_AT).select(list(names)))

    def read(names: Sequence[str], start: int) -> Iterator[Run]:
        width = sum(column.width for column in columns if column.name in names)
        batches = table.select(list(names)).slice(start).to_batches(max(1, RUN_BYTES // (4 * max(1, width))))
        yield from _runs(batches, names, 0, table.num_rows - start, name)

    return Table(name, table.num_rows, columns, read, Identity(name, table.nbytes, 0, digest))


def _runs(batches: Any, names: Sequence[str], skip: int, rows: int, where: str) -> Iterator[Run]:
    """The rows of `batches` from the `skip`-th on, which are `rows` with those that are skipped."""
    done = 0
    for batch in batches:
        low = min(max(0, skip - done), batch.num_rows)
        done += batch.num_rows
        if low < batch.num_rows:
            part = batch.slice(low)
            yield part.num_rows, {name: _plain(part.column(name)) for name in names}
    if done != rows:
        raise InputError(f"{where} holds {done:,} rows where its metadata speak of {rows:,}; it is damaged")


def _plain(values: pa.Array) -> pa.Array:
    """`values` as lists, numbers or texts themselves, whatever they are packed in."""
    while (inner := _inside(values.type)) is not values.type:
        if isinstance(values, pa.ExtensionArray):
            values = values.storage
        elif pa.types.is_dictionary(values.type):
            values = values.dictionary.cast(_inside(inner)).take(values.indices)
        elif pa.types.is_run_end_encoded(values.type):
            values = pc.run_end_decode(values)
        elif pa.types.is_list_view(values.type) or pa.types.is_large_list_view(values.type):
            values = _lists_of(values)
        else:
            values = values.cast(inner)
    return values


def _lists_of(views: pa.Array) -> pa.Array:
    """Lists one after another; pyarrow 26 casts a view to a list of the wrong length."""
    lengths = np.asarray(pc.list_value_length(views).fill_null(0), np.int64)
    ends = pa.array(np.append(0, np.cumsum(lengths)), pa.int64())
    return pa.LargeListArray.from_arrays(ends, views.flatten(), mask=views.is_null())


def _inside(kind: pa.DataType) -> pa.DataType:
    """What a type packs, one layer of it; `kind` itself where it packs nothing."""
    if isinstance(kind, pa.BaseExtensionType):
        return kind.storage_type
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return kind.value_type
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return pa.large_list(kind.value_field)
    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind


def columns_of(schema: pa.Schema, first: Any) -> tuple[Column, ...]:
    """What the fields are; `first` gives some rows of columns whose lists may have any length."""
    classes = _classes(schema)
    return tuple(
        Column(field.name, *_kind(field, first), said, classes.get(field.name, ()))
        for field in schema
        for said in [f"{field.type}"]
    )


def _kind(field: pa.Field, first: Any) -> tuple[Kind, int]:
    kind = field.type
    while (inner := _inside(kind)) is not kind:
        kind = inner
    if _is_number(kind):
        return "numbers", 1
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "texts", 1
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "bytes", 1
    if pa.types.is_fixed_size_list(kind) and _is_number(kind.value_type):
        return "vectors", kind.list_size
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_number(kind.value_type):
        return "vectors", _usual_length(first([field.name]).column(0))
    return "other", 0


def _is_number(kind: pa.DataType) -> bool:
    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    return any(check(kind) for check in checks)


def _usual_length(column: pa.ChunkedArray) -> int:
    """How long most lists of a column are, the longer of two; 0 where there is none."""
    lengths = np.asarray(pc.list_value_length(column).drop_null())
    values, counts = np.unique(lengths, return_counts=True)
    return int(values[len(counts) - 1 - counts[::-1].argmax()]) if len(values) else 0


def _classes(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Names of classes that Hugging Face's `datasets` writes beside the columns of a table."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: tuple(map(str, feature["names"]))
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}

"""Spans of a part file as arrays, touching only the row groups and columns they need, each checked as it is read."""

from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.core.chunk import Chunk
from gapscope.core.errors import DamageError
from gapscope.core.files import damaged
from gapscope.core.hashing import digest_buffers
from gapscope.core.location import Location
from gapscope.schemas.embeddings import Part
from gapscope.store.plan import Span

COLUMNS = ["sample_id", "label", "embedding"]
MAGIC = b"PAR1"
# Read from the end of a part: its footer, for a part of 16,384 rows some 20 KB.
TAIL_BYTES = 2**16
CONFIG_HASH, PART_INDEX, CONTENT = b"gapscope.config_hash", b"gapscope.part", b"gapscope.rows"


class PartFile(NamedTuple):
    """A part of a store: where it lies, what the store's manifest says of it, and its number of the store's parts."""

    place: Location
    part: Part
    config_hash: str
    number: int


class Footer(NamedTuple):
    """What stands behind the pages of a part: Parquet's metadata, the digest of these bytes, the size of the file, the
    length of a vector.
    """

    metadata: pq.FileMetaData
    digest: str
    size: int
    dim: int

    @property
    def about(self) -> dict[bytes, bytes]:
        """The keys and values that the writer added."""
        return self.metadata.metadata or {}


def embeddings_of(column: pa.Array) -> np.ndarray:
    """A ``fixed_size_list`` column as ``(n, d)`` numbers of its own type, without copying."""
    dim = column.type.list_size
    values = column.values.slice(column.offset * dim, len(column) * dim)
    return values.to_numpy(zero_copy_only=True).reshape(len(column), dim)


def read_footer(place: Location) -> Footer:
    """The footer of the part file at `place`, kept until the file changes: decoding it takes as long as a fifth of a
    row group.

    Raises
    ------
    DamageError
        There is none.
    """
    result = place.filesystem.get_file_info([place.path])[0]
    if not result.is_file:
        raise damaged(place, "it is missing")
    return _footer(place, result.size, result.mtime_ns)


@lru_cache(maxsize=256)
def _footer(place: Location, size: int, _modified: int | None) -> Footer:
    try:
        tail = _tail(place, size, TAIL_BYTES)
        length = int.from_bytes(tail[-8:-4], "little") + 8
        if size < length + 4 or tail[-4:] != MAGIC:
            raise damaged(place, f"its {size:,} bytes do not end as a Parquet file does")
        footer = tail[-length:] if length <= len(tail) else _tail(place, size, length)
        metadata = pq.read_metadata(pa.BufferReader(MAGIC + footer))
        kind = metadata.schema.to_arrow_schema()
        dim = kind.field("embedding").type.list_size if "embedding" in kind.names else 0
        return Footer(metadata, digest_buffers([footer]), size, dim)
    except (pa.ArrowException, OSError, AttributeError) as error:
        raise damaged(place, f"it cannot be read as Parquet ({error})") from error


def _tail(place: Location, size: int, length: int) -> bytes:
    with place.open_input() as file:
        file.seek(max(0, size - length))
        return file.read(length)


def check_part(file: PartFile) -> Footer:
    """The footer of a part, which must be what the manifest of its store says.

    Raises
    ------
    DamageError
        It is missing, damaged, or another part; the message says which.
    """
    footer, part = read_footer(file.place), file.part
    about = footer.about
    if part.footer is not None and footer.digest != part.footer:
        raise damaged(file.place, _stranger(file, about))
    if about.get(CONFIG_HASH, b"").decode("ascii", "replace") != file.config_hash:
        raise damaged(file.place, _stranger(file, about))
    if (footer.metadata.num_rows, footer.dim) != (part.rows, part.dim or footer.dim):
        raise damaged(
            file.place,
            f"it has {footer.metadata.num_rows:,} rows of {footer.dim:,} numbers, the manifest says {part.rows:,} of "
            f"{part.dim or footer.dim:,}",
        )
    return footer


def _stranger(file: PartFile, about: dict[bytes, bytes]) -> str:
    """What a part that is not the one in the manifest may be."""
    if about.get(CONFIG_HASH, b"").decode("ascii", "replace") != file.config_hash:
        return "it is a part of another store"
    number = about.get(PART_INDEX, b"").decode("ascii", "replace")
    if number.isdigit() and int(number) != file.number:
        return f"it is part {number} of the store, under the name of part {file.number}"
    return "its footer is not the one that was written"


def open_part(file: PartFile) -> pq.ParquetFile:
    """The part, checked, or a sentence that says why it cannot be read; its pages are checked as they are read."""
    footer = check_part(file)
    try:
        return pq.ParquetFile(
            file.place.path,
            filesystem=file.place.filesystem,
            memory_map=file.place.is_local,
            metadata=footer.metadata,
            page_checksum_verification=True,
        )
    except (pa.ArrowException, OSError) as error:
        raise damaged(file.place, f"it cannot be read as Parquet ({error})") from error


def read_span(part: PartFile, span: Span, columns: list[str]) -> pa.Table:
    """Rows `span` of a part, with the given columns, in order.

    Reads whole row groups: a span that begins or ends inside one decodes all of it.

    Raises
    ------
    DamageError
        The part is not what the manifest says, or a page is not what was written.
    """
    with open_part(part) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        ends = list(accumulate(sizes))
        wanted = [group for group, end in enumerate(ends) if end > span.start and end - sizes[group] < span.stop]
        try:
            table = file.read_row_groups(wanted, columns=columns, use_threads=False)
        except (pa.ArrowException, OSError, MemoryError) as error:
            raise damaged(part.place, f"a page of it is not what was written ({error})") from error
    first = ends[wanted[0]] - sizes[wanted[0]] if wanted else 0
    rows = table.slice(span.start - first, span.stop - span.start)
    if len(rows) != span.stop - span.start or rows.column_names != columns:
        raise damaged(part.place, f"its rows {span.start:,} to {span.stop:,} are not all there")
    return rows


def read_part(part: PartFile, columns: list[str] | None = None) -> pa.Table:
    """All rows of a part, with all its columns or with some, each page checked.

    Raises
    ------
    DamageError
        The part is not what the manifest says, or a page is not what was written.
    """
    names = columns or read_footer(part.place).metadata.schema.to_arrow_schema().names
    return read_span(part, Span(0, 0, part.part.rows), names)


def read_chunk(parts: list[PartFile], spans: list[Span], dim: int, into: np.ndarray | None = None) -> Chunk:
    """The spans of `parts`, as one chunk of float32 embeddings, in `into` if that has rows enough.

    New memory for each chunk costs as much as widening its numbers: the system hands it out page by page, zeroed.
    """
    rows = sum(span.stop - span.start for span in spans)
    x = np.empty((rows, dim), np.float32) if into is None or len(into) < rows else into[:rows]
    chunk = Chunk(np.empty(rows, np.int64), x, np.empty(rows, np.int32))
    row = 0
    for span in spans:
        part = parts[span.part]
        for batch in read_span(part, span, COLUMNS).to_batches():
            target = slice(row, row + len(batch))
            chunk.sample_id[target] = batch.column("sample_id")
            chunk.y[target] = batch.column("label")
            _fill(x[target], batch.column("embedding"), part.place)
            row += len(batch)
    return chunk


def _fill(target: np.ndarray, column: pa.Array, place: Location) -> None:
    """Write a column of embeddings to ``target : (n, d) float32``, whose shape must be the column's."""
    if (len(column), column.type.list_size) != target.shape:
        raise DamageError(
            f"{place} has vectors of {column.type.list_size:,} numbers, but {target.shape[1]:,} are expected; its "
            "store's manifest was changed"
        )
    embeddings = embeddings_of(column)
    if embeddings.dtype == np.float16:
        from gapscope.store.half import widen  # here, because numba takes as long to import as `--help` may last

        widen(embeddings, target)
    else:
        target[...] = embeddings

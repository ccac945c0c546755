"""Spans of a part file as arrays, touching only the row groups and columns they need."""

from functools import lru_cache
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gapscope.core.chunk import Chunk
from gapscope.core.errors import SchemaError
from gapscope.core.location import Location
from gapscope.store.plan import Span

COLUMNS = ["sample_id", "label", "embedding"]


def embeddings_of(column: pa.Array) -> np.ndarray:
    """A ``fixed_size_list`` column as ``(n, d)`` numbers of its own type, without copying."""
    dim = column.type.list_size
    values = column.values.slice(column.offset * dim, len(column) * dim)
    return values.to_numpy(zero_copy_only=True).reshape(len(column), dim)


@lru_cache(maxsize=256)
def _footer(place: Location, _size: int, _modified: int | None) -> pq.FileMetaData:
    return pq.read_metadata(place.path, filesystem=place.filesystem)


def open_part(place: Location) -> pq.ParquetFile:
    """The part file at `place`, or a sentence that says why it cannot be read.

    Its footer, which takes as long to decode as a fifth of a row group, is kept until the file changes.
    """
    try:
        found = place.filesystem.get_file_info([place.path])[0]
        footer = _footer(place, found.size, found.mtime_ns)
        return pq.ParquetFile(place.path, filesystem=place.filesystem, memory_map=place.is_local, metadata=footer)
    except (pa.ArrowInvalid, OSError) as error:
        raise SchemaError(
            f"{place} cannot be read as Parquet ({error}); delete this part and run the command that made it again"
        ) from error


def read_span(place: Location, span: Span, columns: list[str]) -> pa.Table:
    """Rows `span` of the part at `place`, with the given columns, in order.

    Reads whole row groups: a span that begins or ends inside one decodes all of it.
    """
    with open_part(place) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        ends = list(accumulate(sizes))
        wanted = [group for group, end in enumerate(ends) if end > span.start and end - sizes[group] < span.stop]
        table = file.read_row_groups(wanted, columns=columns, use_threads=False)
    first = ends[wanted[0]] - sizes[wanted[0]]
    return table.slice(span.start - first, span.stop - span.start)


def read_chunk(places: list[Location], spans: list[Span], dim: int, into: np.ndarray | None = None) -> Chunk:
    """The spans of the parts at `places`, as one chunk of float32 embeddings, in `into` if that has rows enough.

    New memory for each chunk costs as much as widening its numbers: the system hands it out page by page, zeroed.
    """
    rows = sum(span.stop - span.start for span in spans)
    x = np.empty((rows, dim), np.float32) if into is None or len(into) < rows else into[:rows]
    chunk = Chunk(np.empty(rows, np.int64), x, np.empty(rows, np.int32))
    row = 0
    for span in spans:
        for batch in read_span(places[span.part], span, COLUMNS).to_batches():
            target = slice(row, row + len(batch))
            chunk.sample_id[target] = batch.column("sample_id")
            chunk.y[target] = batch.column("label")
            _fill(x[target], embeddings_of(batch.column("embedding")))
            row += len(batch)
    return chunk


def _fill(target: np.ndarray, embeddings: np.ndarray) -> None:
    if embeddings.dtype == np.float16:
        from gapscope.store.half import widen  # here, because numba takes as long to import as `--help` may last

        widen(embeddings, target)
    else:
        target[...] = embeddings

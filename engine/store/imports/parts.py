"""The second pass of an import: segments to parts, each with its share of all rows in its final order."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.core.progress import Progress
from gapscope.core.threads import processors
from gapscope.schemas import SPEC_VERSION
from gapscope.schemas.embeddings import Fingerprint, embedding_schema
from gapscope.store.imports.job import Import
from gapscope.store.imports.seconds import Seconds
from gapscope.store.imports.segment import Run, Segment
from gapscope.store.imports.shuffle import order_of, parts_of
from gapscope.store.write import StoreWriter, embedding_column

PART_BUFFERS_BYTES = 2**27


def fingerprint_of(segments: list[Segment], index: np.ndarray) -> Fingerprint:
    """Count and SHA-256 of paths and labels in the order of the files, as a `Listing` of images has it."""
    digest, count = hashlib.sha256(), 0
    for segment in segments:
        run = segment.read(0, segment.rows)
        order = np.argsort(run.sample_id)
        labels = pa.array(_labels(run.number[order], index)).cast(pa.large_string())
        lines = _joined(_joined(_paths(run, order).cast(pa.large_string()), labels, "\0"), "", "\n")
        digest.update(_bytes_of(lines))
        count += segment.rows
    return Fingerprint(count=count, hash=digest.hexdigest())


def _joined(one: pa.Array | str, other: pa.Array | str, between: str) -> pa.Array:
    """Texts of two columns row by row, or of one and the same text in every row."""
    texts = [pa.scalar(text, pa.large_string()) if isinstance(text, str) else text for text in (one, other, between)]
    return pc.binary_join_element_wise(*texts)


def _bytes_of(texts: pa.Array) -> memoryview:
    """All texts of a column one after another, without copying."""
    _, ends, data = texts.buffers()
    last = np.frombuffer(ends, np.int64, len(texts) + 1)[-1] if len(texts) else 0
    return memoryview(data or b"")[: int(last)]


def _labels(number: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Class indices of label numbers; number -1 is the class index -1."""
    return np.append(index, np.int32(-1))[number]


def _paths(run: Run, order: np.ndarray) -> pa.Array:
    if run.path is None:
        return _joined("row", pa.array(run.sample_id[order]).cast(pa.large_string()), " ").cast(pa.string())
    return run.path.take(pa.array(order)).cast(pa.string())


def write_parts(
    job: Import, writer: StoreWriter, segments: list[Segment], index: np.ndarray, progress: Progress, seconds: Seconds
) -> int:
    """Write the parts that are missing; how many parts there are."""
    counts = np.sum([np.diff(segment.starts) for segment in segments], axis=0)
    parts = parts_of(counts, job.part_rows)
    spans = [int(counts[low:high].sum()) for low, high in parts]
    part_bytes = max(spans) * job.source.dim * np.dtype(job.dtype).itemsize
    threads = max(1, min(processors(), PART_BUFFERS_BYTES // part_bytes))
    with ThreadPoolExecutor(threads) as pool, progress.task("writing parts", sum(spans), "rows") as task:

        def write(part: int) -> None:
            if not _is_there(job, writer, segments, part, *parts[part]):
                table = seconds.timed("shuffling", _part_table, job, segments, index, part, *parts[part])
                seconds.timed("writing", writer.part, part, table)
            task.advance(spans[part])

        for _ in pool.map(write, range(len(parts))):
            pass
    return len(parts)


def _is_there(job: Import, writer: StoreWriter, segments: list[Segment], part: int, low: int, high: int) -> bool:
    """Whether part `part` is finished, readable, and made from just the rows of the buckets ``low <= b < high``."""
    if writer.finished_rows(part) is None or not writer.is_as_recorded(part) or not writer.is_readable(part):
        return False
    stored = writer.digests(part)
    if stored is None:
        return writer.provenance.spec_version < SPEC_VERSION
    runs = [segment.read(*segment.span(low, high)) for segment in segments]
    sample_id, digest = (np.concatenate([getattr(run, name) for run in runs]) for name in ("sample_id", "digest"))
    order = order_of(job.seed, part, sample_id)
    return np.array_equal(stored[0], sample_id[order]) and np.array_equal(stored[1], digest[order])


def _part_table(job: Import, segments: list[Segment], index: np.ndarray, part: int, low: int, high: int) -> pa.Table:
    """The rows of buckets ``low <= b < high``, in their final order."""
    spans = [(segment, *segment.span(low, high)) for segment in segments]
    runs = [segment.read(start, stop) for segment, start, stop in spans]
    paths = [run.path for run in runs]
    whole = Run(
        np.concatenate([run.sample_id for run in runs]),
        np.concatenate([run.number for run in runs]),
        np.concatenate([run.digest for run in runs]),
        None if paths[0] is None else pa.concat_arrays(paths),
    )
    order = order_of(job.seed, part, whole.sample_id)
    place = np.argsort(order)
    x = np.empty((len(order), job.source.dim), job.dtype)
    row = 0
    for segment, start, stop in spans:
        x[place[row : row + stop - start]] = segment.read_rows(start, stop)
        row += stop - start
    columns = [
        pa.array(whole.sample_id[order]),
        _paths(whole, order),
        pa.array(_labels(whole.number[order], index)),
        embedding_column(x, job.dtype),
        pa.array(whole.digest[order]),
    ]
    return pa.Table.from_arrays(columns, schema=embedding_schema(x.shape[1], job.dtype, digests=True))

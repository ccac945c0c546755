"""A CSV import from beginning to end: rows to sorted segments, segments to shuffled parts, killed runs continued."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.core.errors import ConfigMismatchError, DamageError, InputError
from gapscope.core.files import read_object, read_table, write_json, write_table
from gapscope.core.lease import Lease
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.core.threads import processors
from gapscope.schemas import SPEC_VERSION
from gapscope.schemas.embeddings import (
    FILES_NAME,
    FILES_SCHEMA,
    REJECTED_SCHEMA,
    Fingerprint,
    Provenance,
    StoreManifest,
    embedding_schema,
)
from gapscope.store.csv.blocks import BLOCK_BYTES, Block, Position, read_blocks
from gapscope.store.csv.columns import Columns
from gapscope.store.csv.files import modified, sample_hash
from gapscope.store.csv.header import Header
from gapscope.store.csv.labels import ClassMap, LabelBook
from gapscope.store.csv.parse import Layout, Rows, parse_block
from gapscope.store.csv.segment import SEGMENT_NAME, Draft, Run, Segment, write_segment
from gapscope.store.csv.shuffle import order_of, parts_of
from gapscope.store.smallness import Smallness
from gapscope.store.write import MANIFEST, StoreWriter, differences, embedding_column, read_manifest, stored_dtype

SPILL, BEGUN = ".import", "begun.json"
PART_BUFFERS_BYTES = 2**27
STOP, REJECT = "stop", "reject"


@dataclass(frozen=True)
class Import:
    """What to import, and where to.

    Attributes
    ----------
    folder
        The store's folder.
    places, headers
        The files in order, and what their first lines say.
    columns
        Which columns are used.
    classes
        The class map to follow; None makes one from the labels.
    on_bad_row
        ``stop`` at the first row that cannot be used, or ``reject`` such rows to the ledger.
    backbone, dataset, split, companion_of, dtype, seed, part_rows, code_version
        As in `Provenance`.
    block_bytes
        Bytes parsed together; decides nothing about the result.
    command
        The name of the job and its options, for whoever has to make the store again.
    """

    folder: Location
    places: tuple[Location, ...]
    headers: tuple[Header, ...]
    columns: Columns
    classes: ClassMap | None
    on_bad_row: str
    backbone: str
    dataset: str
    split: str
    companion_of: str
    dtype: str
    seed: int
    part_rows: int
    code_version: str
    block_bytes: int = BLOCK_BYTES
    command: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def opening(self) -> Provenance:
        """The provenance before the first row is read: no fingerprint, and class names only where they are given."""
        columns = self.columns
        return Provenance(
            backbone=self.backbone,
            decoder="csv",
            preprocessing={
                "files": [f"{place.name}: {place.size()} bytes, {sample_hash(place)[:16]}" for place in self.places],
                "features": f"{columns.features[0]} to {columns.features[-1]}, {_digest(columns.features)}",
                "label": columns.label,
                "path": columns.path,
                "on_bad_row": self.on_bad_row,
            },
            dim=len(columns.features),
            dtype=self.dtype,  # type: ignore[arg-type]  # pydantic refuses others
            dataset=self.dataset,
            split=self.split,
            source=", ".join(map(str, self.places[:3])) + (", …" if len(self.places) > 3 else ""),
            fingerprint=Fingerprint(count=0, hash=""),
            class_names=list(self.classes.names) if self.classes else [],
            companion_of=self.companion_of,
            seed=self.seed,
            part_rows=self.part_rows,
            code_version=self.code_version,
        )

    @cached_property
    def layouts(self) -> list[Layout]:
        """How to read each file."""
        columns = self.columns
        return [
            Layout(
                header.names,
                columns.kinds(header.names),
                ord(header.delimiter),
                len(columns.features),
                self.dtype,
                bool(columns.label),
                bool(columns.path),
            )
            for header in self.headers
        ]

    @property
    def underflows(self) -> bool | None:
        """Whether the store in the folder has float32 because features are too small for float16; None if not."""
        return read_manifest(self.folder).underflows if (self.folder / MANIFEST).exists() else None

    @property
    def spill(self) -> Location:
        """Where segments lie until the store is finished."""
        return self.folder / SPILL

    def segment(self, index: int) -> Segment:
        """Segment `index`, whether it is there or not."""
        place = self.spill / SEGMENT_NAME.format(index)
        return Segment(place, len(self.columns.features), self.dtype, bool(self.columns.path))


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


@dataclass
class Seconds:
    """Time spent, by kind of work; parsing adds up over threads, which work at the same time."""

    spent: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("reading", "parsing", "spilling", "shuffling", "writing", "total"), 0.0)
    )

    def timed(self, kind: str, work: Callable[..., Any], *args: Any) -> Any:
        """``work(*args)``, its time counted as `kind`."""
        began = perf_counter()
        try:
            return work(*args)
        finally:
            self.spent[kind] += perf_counter() - began


def import_csv(job: Import, progress: Progress = SILENT) -> StoreManifest:
    """Make the store that `job` describes, or go on with it; memory does not grow with the number of rows.

    A store that is finished already is left as it is, unless parts of it are missing or damaged, which are made again,
    or a file was written to since: its rows are then compared with the stored ones, and parts with other rows are made
    again.

    Raises
    ------
    BusyError
        Another process works on the store.
    InputError
        A row cannot be used and `on_bad_row` is ``stop``, or the files hold no usable row.
    ConfigMismatchError
        The folder holds a store, or the beginning of one, from other files or options.
    """
    with Lease(job.folder) as lease:
        job = replace(job, dtype=stored_dtype(job.folder, job.dtype))
        finished = _finished(job)
        if finished:
            progress.say(f"{job.folder} is complete already: {finished.rows:,} rows, {finished.rejected:,} rejected")
            job.spill.delete_folder()
            return finished
        return _make(job, lease, progress)


def _finished(job: Import) -> StoreManifest | None:
    """The manifest of the store in the job's folder, if it is finished, whole, and of the files as they are."""
    if not (job.folder / MANIFEST).exists():
        return None
    result = read_manifest(job.folder)
    if not result.complete:
        return None
    writer = StoreWriter(job.folder, _like(job, result.provenance))
    writer.begin()
    is_whole = all(
        writer.finished_rows(index) == part.rows and writer.is_as_recorded(index)
        for index, part in enumerate(result.parts)
    )
    is_current = writer.provenance.spec_version < SPEC_VERSION or _recorded_times(job) == _times(job)
    return result if is_whole and is_current and writer.is_sealed() else None


def _times(job: Import) -> list[int]:
    """When each file was last written, in nanoseconds since 1970; 0 where its file system does not know."""
    return [modified(place) or 0 for place in job.places]


def _recorded_times(job: Import) -> list[int] | None:
    try:
        return read_table(job.folder / FILES_NAME)["modified"].to_pylist()
    except (FileNotFoundError, DamageError):
        return None


def _record_times(job: Import) -> None:
    columns = [[place.size() for place in job.places], _times(job)]
    write_table(job.folder / FILES_NAME, pa.table(columns, schema=FILES_SCHEMA))


def _like(job: Import, result: Provenance) -> Provenance:
    """The job's provenance, with what only reading tells (fingerprint, class names) from the store `found`."""
    names = list(job.classes.names) if job.classes else result.class_names
    return job.opening.model_copy(update={"fingerprint": result.fingerprint, "class_names": names})


def _make(job: Import, lease: Lease, progress: Progress, *, underflows: bool | None = None) -> StoreManifest:
    began, seconds = perf_counter(), Seconds()
    _begin(job, progress)
    book, segments = _spill(job, progress, seconds)
    lossy = _too_small(job, segments)
    if lossy:
        progress.say(
            f"stored as float32, as {lossy:,} of {len(job.columns.features):,} features are too small for float16, "
            "whose rounding would spoil them"
        )
        job.spill.delete_folder()
        return _make(replace(job, dtype="float32"), lease, progress, underflows=True)
    names, index = book.classes()
    rows = sum(segment.rows for segment in segments)
    if not rows:
        raise InputError(f"no usable row in {job.opening.source}; nothing was imported")
    fingerprint = _fingerprint(segments, index)
    provenance = job.opening.model_copy(update={"fingerprint": fingerprint, "class_names": names})
    about = {"command": dict(job.command), "underflows": underflows or job.underflows}
    writer = StoreWriter(job.folder, provenance, about)
    writer.begin()
    parts = _write_parts(job, writer, segments, index, progress, seconds)
    lease.check()
    _record_times(job)
    seconds.spent["total"] = perf_counter() - began
    rejected = [
        dict(zip(REJECTED_SCHEMA.names, entry, strict=True)) for one in segments for entry in one.meta["rejected"]
    ]
    manifest = writer.finish(parts, rejected, seconds.spent)
    job.spill.delete_folder()
    return manifest


def _too_small(job: Import, segments: Sequence[Segment]) -> int:
    """How many features are too small for float16, where that is to be stored."""
    counts = Smallness(len(job.columns.features))
    for segment in segments:
        if job.dtype == "float16" and segment.meta["smallness"]:
            small, large = map(np.array, segment.meta["smallness"])
            counts.merge(small, large, segment.rows)
    return counts.lossy()


def _begin(job: Import, progress: Progress) -> None:
    """Open the spill folder; what an import of other input or options left there is of no use and goes.

    Raises
    ------
    ConfigMismatchError
        Parts were already written from other input or options.
    """
    place = job.spill / BEGUN
    now = {"provenance": job.opening.model_dump(), "modified": _times(job)}
    before = _begun(place)
    changes = _changes(before, now, job) if before else ["nothing was recorded"]
    if changes and before:
        said = f"the import begun in {job.folder} was of other input or options ({'; '.join(changes)})"
        if (job.folder / MANIFEST).exists() and before["provenance"]["spec_version"] == SPEC_VERSION:
            raise ConfigMismatchError(f"{said}; repeat them to continue it, or delete {job.folder} to start anew")
        progress.say(f"{said}; starting anew")
    if changes:
        for name in job.spill.names():
            if name != BEGUN:
                (job.spill / name).delete()
        write_json(place, now)


def _begun(place: Location) -> dict[str, Any] | None:
    try:
        return read_object(place)
    except (FileNotFoundError, DamageError):
        return None


def _changes(result: dict[str, Any], now: dict[str, Any], job: Import) -> list[str]:
    if result["provenance"].get("spec_version") != SPEC_VERSION:
        return ["it was begun by another version of gapscope"]
    phrases = differences(Provenance(**result["provenance"]), job.opening)
    return phrases or ["a file was written to in between"] * (result["modified"] != now["modified"])


# First pass: text to segments.


def _spill(job: Import, progress: Progress, seconds: Seconds) -> tuple[LabelBook, list[Segment]]:
    """Parse what is not parsed yet; the labels seen and the segments, all of them on disk."""
    segments = _segments(job)
    states = [segment.meta for segment in segments]
    book = LabelBook(job.classes, [text for state in states for text in state["texts"]])
    position, records = Position(0, 0, 0), 0
    if states:
        position, records = Position(*states[-1]["position"]), states[-1]["records"]
        book.first |= {kind: tuple(example) for kind, example in states[-1]["first"].items()}
        progress.say(f"continuing behind {records:,} rows that are read already")
    if states and states[-1]["ended"]:
        return book, segments
    draft, known, pending = Draft(), len(book.texts), None
    with ThreadPoolExecutor(1) as disk, progress.task("reading CSV", _bytes_left(job, position), "B") as task:

        def save(*, ended: bool) -> "Future[None]":
            nonlocal draft, known
            state = {
                "position": position,
                "records": records,
                "texts": book.texts[known:],
                "first": book.first,
                "ended": ended,
            }
            segment = job.segment(len(segments))
            segments.append(segment)
            if pending:
                pending.result()
            full, draft, known = draft, Draft(), len(book.texts)
            return disk.submit(seconds.timed, "spilling", write_segment, segment, full, job.seed, state)

        for block, rows in _parsed(job, position, seconds):
            rows, number = _numbered(job, book, block, rows)
            _ledger(job, block, rows, records, draft)
            draft.add(rows.record.astype(np.int64) + records, rows, number, block.size)
            position, records = block.stop, records + rows.records
            task.advance(block.advanced)
            if draft.is_full:
                pending = save(ended=False)
        save(ended=True).result()
    return book, segments


def _segments(job: Import) -> list[Segment]:
    """The finished segments from the first on, without a gap and whole; what is behind a damaged one goes."""
    present = set(job.spill.names())
    segments: list[Segment] = []
    while SEGMENT_NAME.format(len(segments)) in present and job.segment(len(segments)).is_whole():
        segments.append(job.segment(len(segments)))
    for name in present - {BEGUN, *(segment.place.name for segment in segments)}:
        (job.spill / name).delete()
    return segments


def _bytes_left(job: Import, position: Position) -> int | None:
    sizes = [place.size() for place in job.places[position.file :]]
    compressed = job.places[position.file].name.endswith((".gz", ".zst"))
    return sum(sizes) - (0 if compressed else position.offset)


def _parsed(job: Import, start: Position, seconds: Seconds) -> Iterator[tuple[Block, Rows]]:
    """Blocks and their rows, in order, parsed ahead by all processors; few are in memory at a time."""
    ahead = processors() + 1
    waiting: deque[tuple[Block, Future[Any]]] = deque()
    spare: list[bytearray] = []
    blocks = read_blocks(job.places, job.headers, start, job.block_bytes, spare)
    with ThreadPoolExecutor(processors()) as pool:
        while True:
            block = seconds.timed("reading", next, blocks, None)
            if block is not None:
                waiting.append((block, pool.submit(parse_block, block, job.layouts[block.start.file])))
            while waiting and (block is None or len(waiting) > ahead):
                done, future = waiting.popleft()
                rows = future.result()
                seconds.spent["parsing"] += rows.seconds
                yield done, rows
                spare.append(done.buffer)
            if block is None:
                return


def _numbered(job: Import, book: LabelBook, block: Block, rows: Rows) -> tuple[Rows, np.ndarray]:
    """The rows whose label is one, and the numbers of their labels in `book`."""
    if rows.label is None:
        return rows, np.full(len(rows.record), -1, np.int32)
    codes = rows.label.indices.to_numpy()
    firsts = np.unique(codes, return_index=True)[1]
    numbers = []
    for text, row in zip(rows.label.dictionary.to_pylist(), firsts.tolist(), strict=True):
        numbers.append(book.number(text.strip(), _where(job, block, int(rows.line[row]))))
    book.refuse_unknown()
    wrong = {code: number for code, number in enumerate(numbers) if isinstance(number, str)}
    if wrong:
        rows = rows.without({row: wrong[code] for row, code in enumerate(codes.tolist()) if code in wrong})
        codes = codes[~np.isin(codes, list(wrong))]
    table = np.array([-1 if isinstance(number, str) else number for number in numbers], np.int32)
    return rows, table[codes]


def _where(job: Import, block: Block, line: int) -> str:
    return f"{job.places[block.start.file]}, line {block.start.line + line + 1}"


def _ledger(job: Import, block: Block, rows: Rows, records: int, draft: Draft) -> None:
    """Stop at the block's first bad row, or enter all of them in the ledger."""
    if rows.bad and job.on_bad_row == STOP:
        first = rows.bad[0]
        raise InputError(
            f"{_where(job, block, first.line)}: {first.reason}; correct the row, or leave such rows out with "
            "--on-bad-row reject"
        )
    name = job.places[block.start.file].name
    for bad in rows.bad:
        draft.rejected.append(
            [records + bad.record, bad.path or f"{name}:{block.start.line + bad.line + 1}", bad.reason, bad.digest]
        )


# Second pass: segments to parts.


def _fingerprint(segments: list[Segment], index: np.ndarray) -> Fingerprint:
    """Count and SHA-256 of paths and labels in the order of the files, as a `Listing` of images has it."""
    digest, count = hashlib.sha256(), 0
    for segment in segments:
        run = segment.read(0, segment.rows)
        order = np.argsort(run.sample_id)
        labels, paths = _labels(run.number[order], index).tolist(), _paths(run, order).to_pylist()
        digest.update("".join(f"{path}\0{label}\n" for path, label in zip(paths, labels, strict=True)).encode())
        count += segment.rows
    return Fingerprint(count=count, hash=digest.hexdigest())


def _labels(number: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Class indices of label numbers; number -1 is the class index -1."""
    return np.append(index, np.int32(-1))[number]


def _paths(run: Run, order: np.ndarray) -> pa.Array:
    if run.path is None:
        return pa.array([f"row {number}" for number in run.sample_id[order].tolist()], pa.string())
    return run.path.take(pa.array(order)).cast(pa.string())


def _write_parts(
    job: Import, writer: StoreWriter, segments: list[Segment], index: np.ndarray, progress: Progress, seconds: Seconds
) -> int:
    """Write the parts that are missing; how many parts there are."""
    counts = np.sum([np.diff(segment.starts) for segment in segments], axis=0)
    parts = parts_of(counts, job.part_rows)
    spans = [int(counts[low:high].sum()) for low, high in parts]
    part_bytes = max(spans) * len(job.columns.features) * np.dtype(job.dtype).itemsize
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
    x = np.empty((len(order), len(job.columns.features)), job.dtype)
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

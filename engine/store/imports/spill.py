"""The first pass of an import: rows of any format to segments on disk, from where an earlier run was killed."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.files import read_object
from gapscope.core.progress import Progress
from gapscope.core.text import counted
from gapscope.core.threads import processors
from gapscope.store.imports.job import REJECT, STOP, Import
from gapscope.store.imports.labels import LabelBook
from gapscope.store.imports.seconds import Seconds
from gapscope.store.imports.segment import SEGMENT_NAME, Draft, Segment, write_segment
from gapscope.store.imports.source import Block, Rows

BEGUN = "begun.json"


def spill(job: Import, progress: Progress, seconds: Seconds) -> tuple[LabelBook, list[Segment]]:
    """Read what is not read yet; the labels seen and the segments, all of them on disk."""
    state = Spilling.resumed(job, seconds)
    if state.records:
        progress.say(f"continuing behind {counted(state.records, 'row')} that are read already")
    if state.ended:
        return state.book, state.segments
    total, unit = job.source.left(state.position)
    with ThreadPoolExecutor(1) as disk, progress.task(f"reading {job.source.decoder}", total, unit) as task:
        for block, rows in parsed(job, state.position, seconds):
            state.add(block, rows)
            task.advance(block.advanced)
            if state.draft.is_full:
                state.save(disk, ended=False)
        state.save(disk, ended=True)
        state.pending.result()
    return state.book, state.segments


@dataclass
class Spilling:
    """How far the first pass is.

    Attributes
    ----------
    segments
        Those on disk, and the one that is being written.
    position, records
        Where reading goes on, and how many records stand before that.
    draft
        Rows gathered for the next segment.
    known
        Labels of the book that the segments have.
    pending
        The segment that is being written.
    """

    job: Import
    seconds: Seconds
    book: LabelBook
    segments: list[Segment] = field(default_factory=list)
    position: Sequence[int] = ()
    records: int = 0
    ended: bool = False
    draft: Draft = field(default_factory=Draft)
    known: int = 0
    pending: "Future[None]" = field(default_factory=lambda: _done())

    @classmethod
    def resumed(cls, job: Import, seconds: Seconds) -> "Spilling":
        """What an earlier run has left, all of it whole."""
        segments = finished_segments(job)
        states = [segment.meta for segment in segments]
        book = LabelBook(job.classes, job.on_bad_row == REJECT, [text for state in states for text in state["texts"]])
        if not states:
            return cls(job, seconds, book)
        last = states[-1]
        book.first |= {kind: tuple(example) for kind, example in last["first"].items()}
        return cls(
            job, seconds, book, segments, last["position"], last["records"], last["ended"], known=len(book.texts)
        )

    def add(self, block: Block, rows: Rows) -> None:
        """Take the rows of the next block, and stop at a bad one or enter it in the ledger."""
        rows, number = _numbered(self.book, block, rows)
        _ledger(self.job, block, rows, self.records, self.draft)
        self.draft.add(rows.record.astype(np.int64) + self.records, rows, number, block.size)
        self.position, self.records = list(block.stop), self.records + rows.records

    def save(self, disk: ThreadPoolExecutor, *, ended: bool) -> None:
        """Let `disk` write the gathered rows as a segment, once it has written the one before."""
        state = {
            "position": list(self.position),
            "records": self.records,
            "texts": self.book.texts[self.known :],
            "first": self.book.first,
            "ended": ended,
        }
        segment = self.job.segment(len(self.segments))
        self.segments.append(segment)
        self.pending.result()
        full, self.draft, self.known = self.draft, Draft(), len(self.book.texts)
        self.pending = disk.submit(self.seconds.timed, "spilling", write_segment, segment, full, self.job.seed, state)


def _done() -> "Future[None]":
    result: Future[None] = Future()
    result.set_result(None)
    return result


def finished_segments(job: Import) -> list[Segment]:
    """The finished segments from the first on, without a gap and whole; what is behind a damaged one goes."""
    present = set(job.spill.names())
    segments: list[Segment] = []
    while SEGMENT_NAME.format(len(segments)) in present and job.segment(len(segments)).is_whole():
        segments.append(job.segment(len(segments)))
    for name in present - {BEGUN, *(segment.place.name for segment in segments)}:
        (job.spill / name).delete()
    return segments


def parsed(job: Import, start: Sequence[int], seconds: Seconds) -> Iterator[tuple[Block, Rows]]:
    """Blocks and their rows, in order, parsed ahead by all processors; few are in memory at a time."""
    ahead = processors() + 1
    waiting: deque[tuple[Block, Future[Rows]]] = deque()
    blocks = job.source.blocks(start, job.dtype)
    with ThreadPoolExecutor(processors()) as pool:
        while True:
            block = seconds.timed("reading", next, blocks, None)
            if block is not None:
                waiting.append((block, pool.submit(block.parse)))
            while waiting and (block is None or len(waiting) > ahead):
                done, future = waiting.popleft()
                rows = future.result()
                seconds.spent["parsing"] += rows.seconds
                yield done, rows
                done.release()
            if block is None:
                return


def _numbered(book: LabelBook, block: Block, rows: Rows) -> tuple[Rows, np.ndarray]:
    """The rows whose label is one, and the numbers of their labels in `book`."""
    if rows.label is None:
        return rows, np.full(len(rows.record), -1, np.int32)
    codes = rows.label.indices.to_numpy()
    texts = [text.strip() for text in rows.label.dictionary.to_pylist()]
    numbers: list[int | str | None] = [book.seen(text) for text in texts]
    if None in numbers:  # of a thousand classes a block has most, so that what is known costs no more than a look
        firsts = np.unique(codes, return_index=True)[1]
        for code, (text, row) in enumerate(zip(texts, firsts.tolist(), strict=True)):
            if numbers[code] is None:
                numbers[code] = book.number(text, block.where(int(rows.line[row])))
        book.refuse_unknown()
    wrong = {code: number for code, number in enumerate(numbers) if isinstance(number, str)}
    if wrong:
        rows = rows.without({row: wrong[code] for row, code in enumerate(codes.tolist()) if code in wrong})
        codes = codes[~np.isin(codes, list(wrong))]
    table = np.array([-1 if isinstance(number, str) else number for number in numbers], np.int32)
    return rows, table[codes]


def _ledger(job: Import, block: Block, rows: Rows, records: int, draft: Draft) -> None:
    """Stop at the block's first bad row, or enter all of them in the ledger."""
    if rows.bad and job.on_bad_row == STOP:
        first = rows.bad[0]
        raise InputError(
            f"{block.where(first.line)}: {first.reason}; correct the row, or leave such rows out with "
            "--on-bad-row reject"
        )
    for bad in rows.bad:
        draft.rejected.append([records + bad.record, bad.path or block.name(bad.line), bad.reason, bad.digest])


def begun(job: Import) -> dict[str, Any] | None:
    """What the last import in this folder has written down of itself, if it can be read."""
    try:
        return read_object(job.spill / BEGUN)
    except (FileNotFoundError, InputError):
        return None

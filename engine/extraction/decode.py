"""Images decoded ahead of the network, in processes that may die without harm, or in a thread.

The processes write prepared pixels straight into memory that they share with the network's process: an image crosses
without being copied, and
only the reasons of bad ones are sent as messages.
"""

import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import forkserver, get_all_start_methods, get_context, parent_process, resource_tracker
from queue import SimpleQueue
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from gapscope.backbones.preprocessing import Preprocessing
from gapscope.core.script import without_script
from gapscope.data.source import Picture, Source, Undecodable, read_picture
from gapscope.extraction.plan import Batch

if TYPE_CHECKING:
    from gapscope.attributes.attribute import Measured

# Images per task: enough that sending a task costs nothing, few enough that a batch is spread over all workers.
TASK_IMAGES = 8
KILLED = "killed the process that decoded it (a crash in the decoder, or memory ran out)"


class Decoded(NamedTuple):
    """A batch in memory; `slot` must be handed back with `Decoder.release` when its pixels have been used.

    Attributes
    ----------
    images : (batch_size, h, w, 3) uint8
        Always the full batch: places without an image hold zeros, so that the network's arithmetic never depends on
        bad neighbours.
    reasons
        Position in the batch of each image that could not be decoded, and why.
    digests : (n,) uint64
        Of the bytes that each image of the batch was made from; 0 where none could be read.
    measured
        What is measured of each image, by its position in the batch; empty where nothing is to be measured.
    """

    batch: Batch
    images: np.ndarray
    reasons: dict[int, str]
    digests: np.ndarray
    slot: int
    measured: "dict[int, Measured]"


class Task(NamedTuple):
    """Images ``indices`` of the listing, to be placed in `slot` from `start` on."""

    slot: int
    start: int
    indices: np.ndarray


class Done(NamedTuple):
    """What became of a task: reasons, digests and attributes by position in the batch, and seconds of work."""

    reasons: dict[int, str]
    digests: dict[int, int]
    measured: "dict[int, Measured]"
    seconds: float


class Worker:
    """Where one worker works: its own source, and the slots it writes to; whether it measures attributes too."""

    def __init__(self, source: Source, preprocessing: Preprocessing, slots: np.ndarray, *, attributes: bool):
        self.source, self.preprocessing, self.slots = source, preprocessing, slots
        self.measure = _measure() if attributes else None
        self._readers = ThreadPoolExecutor(TASK_IMAGES, "read") if getattr(source, "distant", False) else None

    def work(self, task: Task) -> Done:
        """Decode, prepare and measure the images of `task`."""
        begun, reasons, digests, measured = perf_counter(), {}, {}, {}
        for position, picture_of in enumerate(self._pictures(task.indices.tolist()), task.start):
            place = self.slots[task.slot, position]
            try:
                picture = picture_of()
                digests[position] = picture.digest
                place[...] = self.preprocessing.prepare(picture.image)
                measured |= self._measured(position, picture)
            except (Undecodable, MemoryError, OSError, ValueError) as error:
                place[...] = 0
                digests.setdefault(position, getattr(error, "digest", None) or 0)
                reasons[position] = str(error) or "needs more memory than there is"
        return Done(reasons, digests, measured, perf_counter() - begun)

    def _pictures(self, indices: list[int]) -> Iterator[Callable[[], Picture]]:
        """What reads each image, in order; those behind a network are asked for together."""
        if self._readers is None:
            return (partial(read_picture, self.source, index) for index in indices)
        futures = [self._readers.submit(read_picture, self.source, index) for index in indices]
        return (future.result for future in futures)

    def _measured(self, position: int, picture: Picture) -> "dict[int, Measured]":
        """What is measured of an image; nothing where that needs more memory than there is, which rejects no image."""
        try:
            return {position: self.measure(np.asarray(picture.image), picture.file)} if self.measure else {}
        except MemoryError:
            return {}


def _measure() -> "Callable[[np.ndarray, bytes], Measured]":
    from gapscope.attributes.attribute import measure  # here, because its compiled code takes a second to load

    return measure


class Handle(NamedTuple):
    """A task that was handed out: its outcome, and the pool that works on it."""

    task: Task
    future: Future[Done]
    pool: Executor


class Pool(Protocol):
    """Workers that carry out tasks."""

    def submit(self, task: Task) -> Handle:
        """Have `task` done."""

    def result(self, handle: Handle) -> Done:
        """Wait for what became of a task, and see to it that it is done."""

    def close(self) -> None:
        """Stop, whatever is unfinished."""


class Thread:
    """Decoding in one thread of this process, with its own copy of the source, which may hold an open file."""

    def __init__(self, source: Source, preprocessing: Preprocessing, slots: np.ndarray, *, attributes: bool):
        self._worker = Worker(pickle.loads(pickle.dumps(source)), preprocessing, slots, attributes=attributes)
        self._pool = ThreadPoolExecutor(1, "decode")

    def submit(self, task: Task) -> Handle:
        """See `Pool.submit`."""
        return Handle(task, self._pool.submit(self._worker.work, task), self._pool)

    def result(self, handle: Handle) -> Done:
        """See `Pool.result`."""
        return handle.future.result()

    def close(self) -> None:
        """Stop, whatever is unfinished."""
        self._pool.shutdown(cancel_futures=True)


class Processes:
    """Decoding in processes; when one dies, its images are tried one by one until the killer is found."""

    def __init__(
        self,
        source: Source,
        preprocessing: Preprocessing,
        shared: Any,
        shape: tuple[int, ...],
        workers: int,
        *,
        attributes: bool,
    ):
        self._setup = (pickle.dumps(source), preprocessing, shared, shape, attributes)
        self._workers = workers
        self._pool = self._fresh(workers)
        self._spare: ProcessPoolExecutor | None = None  # one process, for tasks that were lost with another

    def _fresh(self, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(workers, _context(), _initialise, self._setup)

    def submit(self, task: Task) -> Handle:
        """See `Pool.submit`."""
        try:
            return Handle(task, _given(self._pool, task), self._pool)
        except BrokenProcessPool:
            self._replace(self._pool)
            return Handle(task, _given(self._pool, task), self._pool)

    def result(self, handle: Handle) -> Done:
        """See `Pool.result`."""
        try:
            return handle.future.result()
        except BrokenProcessPool:
            self._replace(handle.pool)
            return self._one_by_one(handle.task)

    def _replace(self, broken: Executor) -> None:
        broken.shutdown(wait=True)  # no survivor may still be writing to the slots
        if broken is self._pool:
            self._pool = self._fresh(self._workers)

    def _one_by_one(self, task: Task) -> Done:
        """Do a lost task again, in a process that nothing else depends on."""
        outcomes = [
            self._alone(Task(task.slot, position, task.indices[offset : offset + 1]))
            for offset, position in enumerate(range(task.start, task.start + len(task.indices)))
        ]
        reasons = {position: reason for done in outcomes for position, reason in done.reasons.items()}
        digests = {position: digest for done in outcomes for position, digest in done.digests.items()}
        measured = {position: one for done in outcomes for position, one in done.measured.items()}
        return Done(reasons, digests, measured, sum(done.seconds for done in outcomes))

    def _alone(self, single: Task) -> Done:
        self._spare = self._spare or self._fresh(1)
        try:
            return _given(self._spare, single).result()
        except BrokenProcessPool:
            self._spare.shutdown(wait=True)
            self._spare = None
            return Done({single.start: KILLED}, {single.start: 0}, {}, 0.0)

    def close(self) -> None:
        """Stop, whatever is unfinished."""
        for pool in filter(None, (self._pool, self._spare)):
            pool.shutdown(cancel_futures=True)


def _given(pool: Executor, task: Task) -> Future[Done]:
    with without_script():  # a pool starts a process when it has a task for it
        return pool.submit(_work, task)


def _context() -> Any:
    # Never fork: the network's threads would be copied in the middle of what they do.
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    # Loaded once, for all decode processes together.
    context.set_forkserver_preload([__name__, "gapscope.attributes.attribute"])
    # Ctrl-C reaches a whole group of processes; this one answers it, and ends those that decode.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    forkserver.ensure_running()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


_worker: list[Worker] = []


def _initialise(
    frozen: bytes,
    preprocessing: Preprocessing,
    shared: Any,
    shape: tuple[int, ...],
    attributes: bool,  # noqa: FBT001, a pool hands its arguments on by place
) -> None:
    """A new decode process opens its source, and ends when the process that started it has gone."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    slots = np.frombuffer(shared, np.uint8).reshape(shape)
    _worker.append(Worker(pickle.loads(frozen), preprocessing, slots, attributes=attributes))


def _leave_with_parent() -> None:
    parent_process().join()
    os._exit(0)


def _work(task: Task) -> Done:
    return _worker[-1].work(task)


class Decoder:
    """Decodes batches ahead of their use; a context manager.

    Memory: ``slots × batch_size`` prepared images, 150 KB each at 224 pixels.
    """

    def __init__(
        self,
        source: Source,
        preprocessing: Preprocessing,
        batch_size: int,
        slots: int,
        workers: int,
        *,
        attributes: bool = False,
    ):
        self.batch_size, self.seconds = batch_size, 0.0
        shape = (slots, batch_size, *preprocessing.size, 3)
        if workers:
            shared = _context().RawArray("B", int(np.prod(shape)))
            self._slots = np.frombuffer(shared, np.uint8).reshape(shape)
            self._pool: Pool = Processes(source, preprocessing, shared, shape, workers, attributes=attributes)
        else:
            self._slots = np.zeros(shape, np.uint8)
            self._pool = Thread(source, preprocessing, self._slots, attributes=attributes)
        self._free: SimpleQueue[int] = SimpleQueue()
        for slot in range(slots):
            self._free.put(slot)

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.close()

    def release(self, slot: int) -> None:
        """The pixels in `slot` have been used; may be called from any thread."""
        self._free.put(slot)

    def stream(self, batches: Iterable[Batch]) -> Iterator[Decoded]:
        """`batches` in their order, decoded as far ahead as there are slots."""
        waiting, pending = iter(batches), deque()
        batch = next(waiting, None)
        while batch is not None or pending:
            while batch is not None and (not pending or not self._free.empty()):
                pending.append(self._start(batch, self._free.get()))
                batch = next(waiting, None)
            yield self._finish(*pending.popleft())

    def _start(self, batch: Batch, slot: int) -> tuple[Batch, int, list[Handle]]:
        self._slots[slot, len(batch.indices) :] = 0
        starts = range(0, len(batch.indices), TASK_IMAGES)
        tasks = [Task(slot, start, batch.indices[start : start + TASK_IMAGES]) for start in starts]
        return batch, slot, [self._pool.submit(task) for task in tasks]

    def _finish(self, batch: Batch, slot: int, handles: list[Handle]) -> Decoded:
        reasons: dict[int, str] = {}
        measured: dict[int, Measured] = {}
        digests = np.zeros(len(batch.indices), np.uint64)
        for handle in handles:
            done = self._pool.result(handle)
            reasons |= done.reasons
            measured |= done.measured
            digests[list(done.digests)] = list(done.digests.values())
            self.seconds += done.seconds
        return Decoded(batch, self._slots[slot], reasons, digests, slot, measured)

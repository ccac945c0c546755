"""One network trained by several processes of this machine, each on its share of every batch."""

import os
import pickle
import signal
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, is_dataclass, replace
from datetime import timedelta
from io import BytesIO
from multiprocessing import current_process, get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import distributed, nn

from gapscope.cnn.images import Changing, Images, Streamed, even_parts
from gapscope.cnn.recipe import Recipe
from gapscope.cnn.team import Team
from gapscope.cnn.train import Epoch, Fitted, TrainingData, fit
from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint, Saved
from gapscope.core.errors import GapscopeError, InputError, StoppedError
from gapscope.core.progress import SILENT, Progress, Task
from gapscope.core.script import without_script
from gapscope.networks.state import Arrays, arrays_of, fill

HOST = "127.0.0.1"
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
# The parent sees when a process is gone; waiting as such is no error, because the first one validates meanwhile.
PATIENCE = timedelta(days=7)
# Arrays from this size on are mapped from a file, so that all processes share their memory.
LARGE_BYTES = 2**20
FINISHED = "finished"
# Seconds in which a process that was ended is seen to be the reason for the others' broken connections.
GRACE = 2.0


class TeamError(StoppedError):
    """A process of a training was ended from outside; what had been kept is still there."""


def fit_together(
    model: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    checkpoint: Checkpoint = NO_CHECKPOINT,
    progress: Progress = SILENT,
    *,
    processes: int = 1,
) -> Fitted:
    """As `fit`, by `processes` processes: gloo on processors, nccl with one CUDA device for each of them.

    ``recipe.batch_size`` is that of a step; each process takes its part of the rows by position, and gradients are
    weighted by images, so that a network without batch norm and dropout, on images without augmentation, is the one
    that a single process gives, up to rounding. Batch norms see the images of their own process alone; dropout and
    augmentation draw other numbers in each process. Runs with one number of processes are identical on a processor,
    and a killed one continues like one that was not. Kept images travel by a memory-mapped file in the system's folder
    for temporary files, whose pages all processes share; starting them takes some seconds each.

    Parameters
    ----------
    checkpoint
        Must be picklable; the first process writes it, all of them read it.
    processes
        1 trains in this process and is `fit`.

    Raises
    ------
    InputError
        There are more processes than images in the smallest batch or than CUDA devices, or the device is another one.
    TeamError
        A process was ended from outside.
    GapscopeError
        As `fit` raises it, whichever process it is in.
    """
    if processes == 1:
        return fit(model, data, recipe, checkpoint, progress)
    _check(processes, data, recipe)
    task = _Task(model, data, recipe, checkpoint, max(1, torch.get_num_threads() // processes))
    store = distributed.TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    with ExitStack() as stack:
        children = _started(task, processes, store.port, stack)
        reached = _outcome(children, _Relay(progress, stack.enter_context(ExitStack())))
    fill(model, reached.arrays, "kept")
    return Fitted(model.to(data.device).eval(), reached.history, reached.epoch, reached.stopped)


class _Task(NamedTuple):
    """What every process needs."""

    model: nn.Module
    data: TrainingData
    recipe: Recipe
    checkpoint: Checkpoint
    threads: int


class _Reached(NamedTuple):
    """A trained network as it comes back from the first process."""

    arrays: Arrays
    history: tuple[Epoch, ...]
    epoch: int
    stopped: bool


class _Child(NamedTuple):
    process: BaseProcess
    connection: Connection


def _check(processes: int, data: TrainingData, recipe: Recipe) -> None:
    recipe.check()
    if processes < 1:
        raise InputError(f"--processes is {processes}; give 1 or more")
    if current_process().daemon:
        raise InputError("a worker of a cluster may not start processes; use --processes 1 with --scheduler")
    kind = data.device.type
    if kind not in BACKENDS:
        raise InputError(f"--processes {processes} needs --device cpu or cuda, not {kind}; leave it out")
    there = torch.cuda.device_count() - (data.device.index or 0) if kind == "cuda" else processes
    if processes > there:
        raise InputError(f"--processes {processes} needs {processes} CUDA devices; there are {there}")
    smallest = min(map(len, even_parts(data.train, recipe.batch_size)))
    if processes > smallest:
        raise InputError(
            f"--processes {processes} is more than the {smallest} images of the smallest batch; give fewer, or a "
            "larger --batch-size"
        )


def _started(task: _Task, processes: int, port: int, stack: ExitStack) -> list[_Child]:
    """The processes at work on `task`, which end with `stack`."""
    context, children = get_context("spawn"), []
    with TemporaryDirectory(prefix="gapscope-", ignore_cleanup_errors=True) as folder:
        packed = _packed(task, Path(folder))
        for rank in range(processes):
            mine, theirs = context.Pipe()
            arguments = (folder, Team(rank, processes), port, theirs)
            process = context.Process(target=_work, args=arguments, daemon=True)
            with without_script():
                process.start()
            theirs.close()
            children.append(_Child(process, mine))
            stack.callback(_end, children[-1])
        for child in children:
            with suppress(BrokenPipeError):  # a child that is gone is named by what follows
                child.connection.send_bytes(packed)
            _received(child)  # it has opened the files, which may now lose their names
    return children


def _end(child: _Child) -> None:
    child.process.kill()
    child.process.join()
    child.connection.close()


def _outcome(children: Sequence[_Child], relay: "_Relay") -> _Reached:
    """What the first process has reached; what any of them says on the way goes to `relay`."""
    while True:
        ready = wait([child.connection for child in children])
        for child in children:
            if child.connection in ready:
                kind, content = _received(child, children)
                if kind == FINISHED and content is not None:
                    return content
                relay.take(kind, content)


def _received(child: _Child, children: Sequence[_Child] = ()) -> tuple[str, Any]:
    """The next message of `child`; an error in it, or its end, is raised."""
    try:
        kind, content = child.connection.recv()
    except EOFError:
        child.process.join()
        raise _ended(child.process) from None
    if kind != "failed":
        return kind, content
    if not isinstance(content, GapscopeError):
        wait([one.process.sentinel for one in children], GRACE)
        for gone in (one.process for one in children if one.process.exitcode is not None):
            raise _ended(gone) from content
    raise content


def _ended(process: BaseProcess) -> TeamError:
    code = process.exitcode
    how = f"by signal {-code}" if code and code < 0 else f"with code {code}"
    return TeamError(
        f"a process of the training was ended {how}, as the system does where memory runs out; the same command "
        "continues behind the last epoch, with fewer --processes if need be"
    )


@dataclass
class _Relay:
    """What the processes say about their progress, said to whoever called."""

    progress: Progress
    line: ExitStack
    task: Task | None = None

    def take(self, kind: str, content: Any) -> None:
        """A message: a line of progress begins, moves on or ends, or there is a sentence."""
        if kind == "task":
            self.task = self.line.enter_context(self.progress.task(*content))
        elif kind == "advance" and self.task is not None:
            self.task.advance(content)
        elif kind == "end":
            self.task = None
            self.line.close()
        elif kind == "say":
            self.progress.say(content)


@dataclass(frozen=True)
class _Told:
    """Progress as messages to the parent: steps from every process, all else from the first one."""

    connection: Connection
    leads: bool

    @contextmanager
    def task(self, description: str, total: int | None, unit: str) -> Iterator[Task]:
        """See `Progress.task`."""
        self._send("task", (description, total, unit))
        yield self
        self._send("end", None)

    def advance(self, count: int = 1) -> None:
        """See `Task.advance`."""
        self.connection.send(("advance", count))

    def say(self, message: str) -> None:
        """See `Progress.say`."""
        self._send("say", message)

    def _send(self, kind: str, content: Any) -> None:
        if self.leads:
            self.connection.send((kind, content))


@dataclass(frozen=True)
class _Reads:
    """A checkpoint for the processes that do not write it."""

    checkpoint: Checkpoint

    def load(self, stage: str) -> Saved | None:
        """See `Checkpoint.load`."""
        return self.checkpoint.load(stage)

    def save(self, stage: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
        """The first process does it."""

    def due(self) -> bool:
        """Never."""
        return False


def _work(folder: str, team: Team, port: int, connection: Connection) -> None:
    """What each process does, from its start to the end that the parent makes of it.

    One that has failed says so and stands still: if it ended, the others would report a broken connection before.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children
    Thread(target=_end_with_parent, daemon=True).start()
    with _Reported(team, connection):
        connection.send((FINISHED, _trained(_unpacked(connection.recv_bytes(), Path(folder)), team, port, connection)))
    with suppress(OSError, EOFError):
        connection.recv()


@dataclass(frozen=True)
class _Reported:
    """Hands an error to the parent: as it is where a user can act on it, else with the lines where it came up."""

    team: Team
    connection: Connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> bool:
        if not isinstance(error, Exception):
            return False
        lines = "".join(traceback.format_exception(error))
        bug = RuntimeError(f"process {self.team.rank} of a training failed:\n{lines}")
        with suppress(OSError):
            self.connection.send(("failed", error if isinstance(error, GapscopeError) else bug))
        return True


def _end_with_parent() -> None:
    """A parent that is killed cannot end its children; they wait in each other's sums for as long as nobody does."""
    wait([parent_process().sentinel])
    os._exit(1)


def _trained(task: _Task, team: Team, port: int, connection: Connection) -> _Reached | None:
    """The training of one process; what was reached where it is the first one."""
    connection.send(("ready", None))
    torch.set_num_threads(task.threads)
    data = replace(task.data, images=_with_share_of_threads(task.data.images, team.size))
    if data.device.type == "cuda":
        data = replace(data, device=torch.device("cuda", (data.device.index or 0) + team.rank))
        torch.cuda.set_device(data.device)
    store = distributed.TCPStore(HOST, port, is_master=False)
    backend = BACKENDS[data.device.type]
    distributed.init_process_group(backend, store=store, rank=team.rank, world_size=team.size, timeout=PATIENCE)
    leads = team.rank == 0
    checkpoint = task.checkpoint if leads else _Reads(task.checkpoint)
    result = fit(task.model, data, task.recipe, checkpoint, _Told(connection, leads), team)
    return _Reached(arrays_of(result.model.state_dict(), "kept"), *result[1:]) if leads else None


def _with_share_of_threads(images: Images, processes: int) -> Images:
    """Images that are decoded as they are read take as many threads less."""
    if isinstance(images, Streamed):
        return replace(images, threads=max(1, images.threads // processes))
    if isinstance(images, Changing) and is_dataclass(images):
        return replace(images, images=_with_share_of_threads(images.images, processes))
    return images


class _Packer(pickle.Pickler):
    """Writes large arrays to files that can be mapped, each once; what is packed goes through a pipe, never to disk."""

    def __init__(self, stream: BytesIO, folder: Path):
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self.folder = folder
        self.written: dict[int, np.ndarray] = {}  # holds them, so that no other array gets their number

    def persistent_id(self, value: Any) -> str | None:
        """The name of an array's file; None for what goes through the pipe."""
        if not isinstance(value, np.ndarray) or value.dtype.hasobject or value.nbytes < LARGE_BYTES:
            return None
        name = f"{id(value)}.npy"
        if id(value) not in self.written:
            np.save(self.folder / name, value)
            self.written[id(value)] = value
        return name


class _Unpacker(pickle.Unpickler):
    """Reads what `_Packer` wrote; large arrays are mapped and read-only."""

    def __init__(self, stream: BytesIO, folder: Path):
        super().__init__(stream)
        self.folder = folder

    def persistent_load(self, name: str) -> np.ndarray:
        """The array of that name."""
        return np.load(self.folder / name, mmap_mode="r")


def _packed(task: _Task, folder: Path) -> bytes:
    """What a process is sent of `task`; its large arrays lie in `folder`."""
    stream = BytesIO()
    _Packer(stream, folder).dump(tuple(task))
    return stream.getvalue()


def _unpacked(packed: bytes, folder: Path) -> _Task:
    return _Task(*_Unpacker(BytesIO(packed), folder).load())

"""What runs on a worker of a cluster; tasks name these functions and carry pickled values.

Values travel as bytes, which the scheduler stores and passes on without looking inside. It can therefore make each of
them again, on any worker, when those that had it are gone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pickle import loads
from threading import Lock
from typing import Any

from gapscope.core.threads import blas_threads
from gapscope.stream.schedule import Rounds
from gapscope.stream.shard import shard_chunks

_STREAMS: dict[int, tuple[str, int, Iterator[Any]]] = {}
_LOCK = Lock()
_READER = ThreadPoolExecutor(1, "read")


def arrive(payload: bytes) -> Any:
    """A value that many tasks need: one task of its own, so that it reaches each worker once."""
    return loads(payload)


def call(function: Callable[[Any], Any], payload: bytes) -> Any:
    """``function(item)`` for a pickled item."""
    _one_thread()
    return function(loads(payload))


def merged(merge: Callable[[list[Any]], Any], values: Sequence[Any]) -> Any:
    """Neighbouring summaries as one."""
    _one_thread()
    return merge(list(values))


def sub_batch(places: tuple[Rounds, Callable[..., Any]], parameters: Any, token: str, shard: int, t: int) -> Any:
    """One shard's part of global batch `t`; the worker continues its open stream when `t` is the next batch."""
    _one_thread()
    rounds, partial = places
    with _LOCK:
        held = _STREAMS.pop(shard, None)
    if held is None or held[:2] != (token, t):
        held = (token, t, shard_chunks(rounds, shard, _READER, first=t))
    chunk = next(held[2])
    if t + 1 < rounds.steps:
        with _LOCK:
            _STREAMS[shard] = (token, t + 1, held[2])
    return None if chunk is None else partial(parameters, chunk)


def has_dashboard(dask_scheduler: Any) -> bool:
    """Whether the scheduler draws pages; one started with ``--no-dashboard`` still answers at the address."""
    return bool(dask_scheduler.http_application.applications)


def running(dask_scheduler: Any) -> list[tuple[str, str, str, float, int]]:
    """The tasks that workers compute, as they reported last: fields of `gapscope.stream.stuck.Running`."""
    return [
        (address, task.key, task.group.name, seconds, _ended(task.group.states))
        for address, worker in dask_scheduler.workers.items()
        for task, seconds in worker.executing.items()
    ]


def _ended(states: Mapping[str, int]) -> int:
    return sum(states[name] for name in ("memory", "released", "forgotten"))


async def remove_worker(address: str, dask_scheduler: Any) -> None:
    """Take a worker that hangs from the scheduler, which gives its tasks to others.

    It is one of the losses that a task survives three of, so that a task which hangs every worker ends the work.
    """
    await dask_scheduler.remove_worker(address, stimulus_id=f"gapscope-silent-{address}", close=True)


@cache
def _one_thread() -> None:
    """Linear algebra on one thread, from now on: a worker has a processor per thread and no more."""
    ExitStack().enter_context(blas_threads(1))

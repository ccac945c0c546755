"""The verbs on the workers of a Dask cluster, which read their own rows."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any
from uuid import uuid4

from dask import delayed
from distributed import Client, as_completed
from distributed.scheduler import KilledWorker

from engine.core.errors import GapscopeError, InputError
from engine.stream.chain import reduction
from engine.stream.schedule import Rounds
from engine.stream.shard import shard_chunks

CONNECT_SECONDS = 10


@contextmanager
def cluster(address: str) -> Iterator["Cluster"]:
    """Workers of the scheduler at `address`, checked to be there and to have gapscope."""
    client = _connect(address)
    try:
        _check(client, address)
        yield Cluster(client)
    except KilledWorker as error:
        raise GapscopeError(
            f"a task killed {error.allowed_failures + 1} workers of {address}, the last of them "
            f"{error.last_worker.address}, most likely for want of memory; start workers with a larger --memory-limit "
            "or fewer threads"
        ) from error
    finally:
        client.close()


def _connect(address: str) -> Client:
    try:
        with warnings.catch_warnings():  # version differences are looked at by `_check`
            warnings.simplefilter("ignore")
            return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address} within {CONNECT_SECONDS} s; start one with `dask scheduler` "
            f"and workers with `dask worker {address}`, or leave out --scheduler"
        ) from error


def _check(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        raise InputError(
            f"the scheduler at {address} has no workers; start some with `dask worker {address}`"
        ) from error
    found = client.run(_has_gapscope)
    without = [worker for worker, has in found.items() if has is not True]
    if without:
        raise InputError(f"worker {without[0]} cannot import gapscope; install it there with pip")


def _has_gapscope() -> bool:
    from importlib.util import find_spec

    return find_spec("engine.stream.cluster") is not None


@dataclass(frozen=True)
class Cluster:
    """The workers behind a connected client; a task lost with its worker is run again on another."""

    client: Client

    def each(self, function: Callable[[Any], Any], items: Sequence, done: Callable[[int], None]) -> list:
        """See `Workers.each`."""
        futures = [self.client.submit(function, item, pure=False) for item in items]
        index = {future.key: i for i, future in enumerate(futures)}
        for future in as_completed(futures, loop=self.client.loop):
            future.result()
            done(index[future.key])
        return self.client.gather(futures)

    def reduce(
        self, function: Callable[[Any], Any], items: Sequence, merge: Callable[[list], Any], done: Callable[[int], None]
    ) -> Any:
        """See `Workers.reduce`."""
        leaves = [delayed(function, pure=False)(item) for item in items]
        result = self.client.compute(reduction(leaves, merge))
        value = result.result()
        for index in range(len(items)):
            done(index)
        return value

    @contextmanager
    def rounds(
        self, rounds: Rounds, partial: Callable[[Any, Any], Any], first: int = 0
    ) -> Iterator[Callable[[int, Any], list]]:
        """See `Workers.rounds`.

        A shard stays with one worker, which keeps its place in the stream; if that worker dies, another opens the
        stream there.
        """
        token = uuid4().hex
        places = self.client.scatter((rounds, partial), broadcast=True, hash=False)
        workers = sorted(self.client.scheduler_info(n_workers=-1)["workers"])

        def compute(t: int, parameters: Any) -> list:
            sent = self.client.scatter(parameters, broadcast=True, hash=False)
            futures = [
                self.client.submit(
                    _sub_batch,
                    places,
                    token,
                    shard,
                    t,
                    sent,
                    pure=False,
                    workers=[workers[shard % len(workers)]],
                    allow_other_workers=True,
                )
                for shard in range(rounds.shards)
            ]
            return [value for value in self.client.gather(futures) if value is not None]

        yield compute


_STREAMS: dict[int, tuple[str, int, Iterator]] = {}
_LOCK = Lock()
_READER = ThreadPoolExecutor(1, "read")


def _sub_batch(places: tuple[Rounds, Callable], token: str, shard: int, t: int, parameters: Any) -> Any:
    """One shard's part of global batch `t`, on a worker, which continues its open stream when `t` is the next batch."""
    rounds, partial = places
    with _LOCK:
        held = _STREAMS.pop(shard, None)
    if held is None or held[:2] != (token, t):
        held = (token, t, shard_chunks(rounds, shard, _READER, first=t))
    chunk = next(held[2])
    with _LOCK:
        _STREAMS[shard] = (token, t + 1, held[2])
    return None if chunk is None else partial(parameters, chunk)

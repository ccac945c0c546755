"""The verbs on the workers of a Dask cluster, which read their own rows."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

import dask
from cloudpickle import dumps
from dask.delayed import Delayed, delayed
from distributed import Client, Future, as_completed
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker
from distributed.security import Security

from gapscope.core.errors import GapscopeError, InputError
from gapscope.stream import remote
from gapscope.stream.schedule import Rounds
from gapscope.stream.tree import reduced
from gapscope.stream.versions import SameVersions, difference, versions
from gapscope.stream.watch import watching
from gapscope.stream.workers import UNNAMED, Shown

CONNECT_SECONDS = 10
# What Dask says while it tries to reach a lost scheduler; the error below says it once.
CHATTY = "distributed.client"
# A fold sends its parameters inside its graph, on purpose: a scattered value is gone with the workers that hold it.
SETTINGS = {"distributed.admin.large-graph-warning-threshold": "1TiB"}


@contextmanager
def cluster(address: str) -> Iterator["Cluster"]:
    """Workers of the scheduler at `address`, checked to be there and to have the same versions."""
    with _quiet(), dask.config.set(SETTINGS):
        client = _connect(address)
        try:
            _check(client, address)
            with _same_versions(client):
                yield Cluster(client)
        except KilledWorker as error:
            raise GapscopeError(
                f"a task killed {error.allowed_failures + 1} workers of {address}, the last of them "
                f"{error.last_worker.address}, most likely for want of memory; start workers with a larger "
                "--memory-limit or fewer threads"
            ) from error
        except (CancelledError, ClosedClientError, CommClosedError) as error:
            raise _gone(address) from error
        except (OSError, TimeoutError, RuntimeError) as error:
            if client.status == "running":
                raise
            raise _gone(address) from error
        finally:
            client.close()


@contextmanager
def _same_versions(client: Client) -> Iterator[None]:
    """Workers that join meanwhile are refused if they have other versions."""
    plugin = SameVersions(versions(), f"gapscope-versions-{uuid4().hex[:12]}")
    client.register_plugin(plugin)
    try:
        yield
    finally:
        if client.status == "running":
            with suppress(OSError, TimeoutError, RuntimeError):
                client.unregister_worker_plugin(plugin.name)


def _gone(address: str) -> GapscopeError:
    return GapscopeError(
        f"the Dask scheduler at {address} is gone or was restarted; start it and its workers, then run the same "
        "command again: what has a checkpoint continues there"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger(CHATTY)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _check_encryption(address: str) -> None:
    """Refuse an encrypted address without a certificate, and a plain one where encryption is required."""
    encrypted, given = address.startswith("tls://"), Security().get_connection_args("client")
    if encrypted and given["ssl_context"] is None:
        raise InputError(
            f"{address} is encrypted, and this process has no certificate; name one in Dask's configuration "
            "(distributed.comm.tls), as docs/deployment.md shows"
        )
    if given["require_encryption"] and not encrypted:
        raise InputError(f"Dask's configuration requires encryption, and {address} has none; give an address of tls://")


def _connect(address: str) -> Client:
    _check_encryption(address)
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
    try:
        scheduler = client.run_on_scheduler(versions)
    except (ImportError, AttributeError) as error:
        scheduler = error
    result = {f"the scheduler at {address}": scheduler}
    result |= {f"worker {worker}": one for worker, one in client.run(versions, on_error="return").items()}
    for whose, one in result.items():
        if sentence := difference(one, versions(), whose):
            raise InputError(sentence)


@dataclass(frozen=True)
class Cluster:
    """The workers behind a connected client.

    A task lost with its worker is run again on another, and so is everything it needs: all that a verb sends stands in
    the graph that the scheduler keeps. With no worker left the work waits for one.
    """

    client: Client
    shares_memory: ClassVar[bool] = False

    @property
    def dashboard(self) -> str | None:
        """See `Workers.dashboard`."""
        return self.client.dashboard_link if self.client.run_on_scheduler(remote.has_dashboard) else None

    @property
    def memory_limit(self) -> int | None:
        """See `Workers.memory_limit`."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        limits = [int(worker["memory_limit"] / worker["nthreads"]) for worker in workers if worker["memory_limit"]]
        return min(limits, default=None)

    def each(
        self, function: Callable[[Any], Any], items: Sequence[Any], done: Callable[[int], None], shown: Shown = UNNAMED
    ) -> list[Any]:
        """See `Workers.each`."""
        with watching(self.client, shown.say):
            futures = self.client.compute(_calls(function, items, Names.of(shown)), optimize_graph=False)
            index = {future.key: i for i, future in enumerate(futures)}
            values = [None] * len(items)
            for future in as_completed(_handed_over(futures), loop=self.client.loop):
                values[index[future.key]] = future.result()
                done(index[future.key])
        return values

    def reduce(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        merge: Callable[[list[Any]], Any],
        done: Callable[[int], None],
        shown: Shown = UNNAMED,
    ) -> Any:
        """See `Workers.reduce`. Summaries stay on the workers; the last one comes here."""
        names = Names.of(shown)
        leaves = _calls(function, items, names)
        total = reduced(leaves, lambda run, place: _task(remote.merged, names.merge(place), merge, run))
        with watching(self.client, shown.say):
            *futures, result = self.client.compute([*leaves, total], optimize_graph=False)
            index = {future.key: i for i, future in enumerate(futures)}
            for future in as_completed(_handed_over(futures), loop=self.client.loop):
                if future.status == "error":
                    future.result()
                done(index[future.key])
            return result.result()

    @contextmanager
    def rounds(
        self, rounds: Rounds, partial: Callable[[Any, Any], Any], first: int = 0, shown: Shown = UNNAMED
    ) -> Iterator[Callable[[int, Any], list[Any]]]:
        """See `Workers.rounds`.

        A shard stays with one worker, which keeps its place in the stream; if that worker dies, another opens the
        stream there. A worker that joins gets its shards within seconds.
        """
        names = Names.of(shown)
        places = self._sent((rounds, partial), names.sent)
        with watching(self.client, shown.say) as watch:
            watch.check()

            def compute(t: int, parameters: Any) -> list[Any]:
                sent, workers = self._sent(parameters, names.parameters(t)), watch.workers
                futures = [
                    self.client.submit(
                        remote.sub_batch,
                        places,
                        sent,
                        names.token,
                        shard,
                        t,
                        key=names.sub_batch(t, shard),
                        workers=[workers[shard % len(workers)]] if workers else None,
                        allow_other_workers=True,
                    )
                    for shard in range(rounds.shards)
                ]
                return [value for value in self.client.gather(futures) if value is not None]

            yield compute

    def _sent(self, value: Any, key: str) -> "Future[Any]":
        return self.client.submit(remote.arrive, dumps(value), key=key)


@dataclass(frozen=True)
class Names:
    """Keys of the tasks of one piece of work, as the dashboard shows them: ``moments-imagenet/train-0012-…``."""

    name: str
    token: str

    @classmethod
    def of(cls, shown: Shown) -> "Names":
        """Names that no other piece of work has."""
        return cls(shown.name, uuid4().hex[:12])

    @property
    def sent(self) -> str:
        """The task of the function itself."""
        return f"send-{self.name}-{self.token}"

    def item(self, index: int) -> str:
        """The task of one item."""
        return f"{self.name}-{index:04d}-{self.token}"

    def merge(self, place: str) -> str:
        """The task of a merge."""
        return f"merge-{self.name}-{place}-{self.token}"

    def parameters(self, t: int) -> str:
        """The task of the parameters of a global batch."""
        return f"parameters-{self.name}-{t:05d}-{self.token}"

    def sub_batch(self, t: int, shard: int) -> str:
        """The task of one shard's part of a global batch."""
        return f"{self.name}-{t:05d}.{shard}-{self.token}"


def _calls(function: Callable[[Any], Any], items: Sequence[Any], names: Names) -> list[Delayed]:
    """A task for each item, which all take the function from one task."""
    sent = _task(remote.arrive, names.sent, dumps(function))
    return [_task(remote.call, names.item(index), sent, dumps(item)) for index, item in enumerate(items)]


def _task(function: Callable[..., Any], key: str, *arguments: Any) -> Delayed:
    return delayed(function, pure=False)(*arguments, dask_key_name=key)


def _handed_over(futures: "list[Future[Any]]") -> "list[Future[Any]]":
    """The futures, no longer held by the list: each result is dropped on the workers once nothing needs it."""
    handed, futures[:] = list(futures), []
    return handed

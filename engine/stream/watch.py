"""Keeps an eye on the workers of a cluster while a verb waits for them."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from typing import Any

from distributed import Client
from distributed.client import ClosedClientError

from gapscope.stream import remote
from gapscope.stream.stuck import Pace, Running
from gapscope.stream.versions import TOPIC

SECONDS_BETWEEN_CHECKS = 2.0
# Workers report twice a second, those of a large cluster every five seconds. One that has not for so long hangs, or
# its machine does; its work is given to others.
SILENT_SECONDS = 20.0


@dataclass
class Heartbeats:
    """When each worker reported last, by this process's clock: those of two machines may differ.

    Attributes
    ----------
    seen
        For each address: what the scheduler noted of the last report, and when it was first seen here.
    """

    seen: dict[str, tuple[float, float]] = field(default_factory=dict)

    def silent(self, reports: dict[str, float], now: float) -> list[str]:
        """The addresses whose last report, as the scheduler noted it, has not changed for `SILENT_SECONDS`."""
        self.seen = {
            address: self.seen[address] if self.seen.get(address, (None,))[0] == last else (last, now)
            for address, last in reports.items()
        }
        return [address for address, (_, since) in self.seen.items() if now - since > SILENT_SECONDS]


class Watch:
    """The addresses of the workers as they were at the last check; says so when the last is gone, when one is back,
    when one is refused, when one hangs, and when a task of one does.

    Attributes
    ----------
    workers
        Sorted addresses; those before the loss while there are none.
    """

    def __init__(self, client: Client, say: Callable[[str], None]):
        self.client, self.say = client, say
        self.workers: list[str] = []
        self._heartbeats, self._pace = Heartbeats(), Pace(SECONDS_BETWEEN_CHECKS)
        self._stopped = Event()
        self._alone_since: float | None = None

    def check(self) -> None:
        """Ask the scheduler which workers there are, and take the work of those that hang."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        reports = {address: worker["last_seen"] for address, worker in workers.items()}
        for address in self._heartbeats.silent(reports, monotonic()):
            self.say(f"worker {address} has not answered for {SILENT_SECONDS:.0f} s; its work goes to others")
            self.client.run_on_scheduler(remote.remove_worker, address)
            del workers[address]
        for address in set(self._taken()):
            self.client.run_on_scheduler(remote.remove_worker, address)
            workers.pop(address, None)
        if workers:
            self.workers = sorted(workers)
            self._back()
        elif self._alone_since is None:
            self._alone_since = monotonic()
            self.say(
                f"all workers of {getattr(self.client.scheduler, 'address', 'the cluster')} are gone; nothing is lost, "
                "the work goes on as soon as a worker joins"
            )

    def _taken(self) -> Iterator[str]:
        """The workers whose work is taken away because a task of theirs is far behind all others; tells of those that
        are behind.
        """
        running = [Running(*one) for one in self.client.run_on_scheduler(remote.running)]
        for one in self._pace.behind(running):
            then = "its work goes to others" if one.taken else "it may hang"
            self.say(
                f"worker {one.task.worker} has been at the task {one.task.key} for {one.task.seconds:.0f} s, and none "
                f"of the {one.task.ended} before took longer than {one.longest:.0f} s; {then}"
            )
            if one.taken:
                yield one.task.worker

    def refused(self, event: Any) -> None:
        """Say which worker was refused; `event` is as Dask hands it over."""
        _, message = event
        self.say(message["sentence"])

    def _back(self) -> None:
        if self._alone_since is not None:
            self.say(f"{len(self.workers)} workers are back after {monotonic() - self._alone_since:.0f} s")
            self._alone_since = None

    def _keep_checking(self) -> None:
        # Without a scheduler the work itself ends, and says so.
        with contextlib.suppress(OSError, TimeoutError, RuntimeError, CancelledError, ClosedClientError):
            while not self._stopped.wait(SECONDS_BETWEEN_CHECKS):
                self.check()

    def stop(self) -> None:
        """No further check."""
        self._stopped.set()

    def start(self) -> None:
        """Check every few seconds from now on, in a thread."""
        Thread(target=self._keep_checking, name="watch", daemon=True).start()


@contextmanager
def watching(client: Client, say: Callable[[str], None]) -> Iterator[Watch]:
    """A watch for as long as the block lasts."""
    watch = Watch(client, say)
    client.subscribe_topic(TOPIC, watch.refused)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
        with contextlib.suppress(ValueError, RuntimeError, OSError):  # without a scheduler there is nothing to end
            client.unsubscribe_topic(TOPIC)

"""Keeps an eye on the workers of a cluster while a verb waits for them."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

from distributed import Client
from distributed.client import ClosedClientError

SECONDS_BETWEEN_LOOKS = 2.0


class Watch:
    """The addresses of the workers as they were at the last look; says so when the last is gone, and when one is back.

    Attributes
    ----------
    workers
        Sorted addresses; those before the loss while there are none.
    """

    def __init__(self, client: Client, say: Callable[[str], None]):
        self.client, self.say = client, say
        self.workers: list[str] = []
        self._stopped = Event()
        self._alone_since: float | None = None

    def look(self) -> None:
        """Ask the scheduler which workers there are."""
        found = sorted(self.client.scheduler_info(n_workers=-1)["workers"])
        if found:
            self.workers = found
            self._back()
        elif self._alone_since is None:
            self._alone_since = monotonic()
            self.say(
                f"all workers of {self.client.scheduler.address} are gone; nothing is lost, the work goes on as soon "
                "as a worker joins"
            )

    def _back(self) -> None:
        if self._alone_since is not None:
            self.say(f"{len(self.workers)} workers are back after {monotonic() - self._alone_since:.0f} s")
            self._alone_since = None

    def _keep_looking(self) -> None:
        # Without a scheduler the work itself ends, and says so.
        with contextlib.suppress(OSError, TimeoutError, RuntimeError, CancelledError, ClosedClientError):
            while not self._stopped.wait(SECONDS_BETWEEN_LOOKS):
                self.look()

    def stop(self) -> None:
        """No further look."""
        self._stopped.set()

    def start(self) -> None:
        """Look every few seconds from now on, in a thread."""
        Thread(target=self._keep_looking, name="watch", daemon=True).start()


@contextmanager
def watching(client: Client, say: Callable[[str], None]) -> Iterator[Watch]:
    """A watch for as long as the block lasts."""
    watch = Watch(client, say)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()

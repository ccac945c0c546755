"""Where the verbs run: on the threads of this process, or on the workers of a Dask cluster."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from engine.core.registry import Registry
from engine.core.threads import processors
from engine.stream.schedule import Rounds

Partial = Callable[[Any, Any], Any]
Done = Callable[[int], None]

SCHEDULERS = Registry("scheduler", {"threads": "engine.stream.local:local", "cluster": "engine.stream.cluster:cluster"})


class Workers(Protocol):
    """What a verb asks of the place it runs on; both kinds do the same arithmetic in the same order."""

    def each(self, function: Callable[[Any], Any], items: Sequence, done: Done) -> list:
        """``function(item)`` for each item, in the items' order; ``done(i)`` is called as item ``i`` finishes."""

    def reduce(self, function: Callable[[Any], Any], items: Sequence, merge: Callable[[list], Any], done: Done) -> Any:
        """The ``function(item)`` of all items merged in the items' order."""

    def rounds(
        self, rounds: Rounds, partial: Partial, first: int = 0
    ) -> AbstractContextManager[Callable[[int, Any], list]]:
        """A function ``(t, parameters) -> values``: ``partial(parameters, chunk)`` for each sub-batch of global batch
        ``t``, which counts up from `first`.
        """


@contextmanager
def connect(scheduler: str | None = None, threads: int | None = None) -> Iterator[Workers]:
    """Workers at the address of a Dask `scheduler`, or, without one, `threads` threads of this process (all
    processors).

    Raises
    ------
    InputError
        Nothing answers at the address, no worker has joined, or the workers cannot import gapscope.
    """
    kind, setting = ("cluster", scheduler) if scheduler else ("threads", threads or processors())
    with SCHEDULERS[kind](setting) as workers:
        yield workers

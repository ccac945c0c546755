"""Where the verbs run: on the threads of this process, or on the workers of a Dask cluster."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.progress import SILENT
from gapscope.core.registry import Registry
from gapscope.core.threads import processors
from gapscope.stream.schedule import Rounds

Partial = Callable[[Any, Any], Any]
Done = Callable[[int], None]

SCHEDULERS = Registry(
    "scheduler",
    {
        "threads": "gapscope.stream.local:local",
        "address": "gapscope.stream.cluster:cluster",
        "local": "gapscope.stream.local_cluster:local_cluster",
    },
)
# Those of `SCHEDULERS` that `connect` starts by name.
CLUSTERS = ("local",)


@dataclass(frozen=True)
class Shown:
    """How a piece of work appears to people.

    Attributes
    ----------
    name
        Begins the names of its tasks on a dashboard.
    say
        Takes a sentence when the work has to wait.
    """

    name: str = "work"
    say: Callable[[str], None] = SILENT.say


UNNAMED = Shown()


class Workers(Protocol):
    """What a verb asks of the place it runs on; all kinds do the same arithmetic in the same order.

    Attributes
    ----------
    shares_memory
        Whether the workers see this process's own arrays.
    """

    shares_memory: bool

    @property
    def dashboard(self) -> str | None:
        """Address of a page that shows what the workers are doing; None where there is none."""

    @property
    def memory_limit(self) -> int | None:
        """Bytes that a task may use on the smallest worker; None where no limit is set."""

    def each(
        self, function: Callable[[Any], Any], items: Sequence[Any], done: Done, shown: Shown = UNNAMED
    ) -> list[Any]:
        """``function(item)`` for each item, in the items' order; ``done(i)`` is called as item ``i`` finishes."""

    def reduce(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        merge: Callable[[list[Any]], Any],
        done: Done,
        shown: Shown = UNNAMED,
    ) -> Any:
        """The ``function(item)`` of all items merged in the items' order, in the shape of `tree.reduced`."""

    def rounds(
        self, rounds: Rounds, partial: Partial, first: int = 0, shown: Shown = UNNAMED
    ) -> AbstractContextManager[Callable[[int, Any], list[Any]]]:
        """A function ``(t, parameters) -> values``: ``partial(parameters, chunk)`` for each sub-batch of global batch
        ``t``, which counts up from `first`.
        """


@dataclass(frozen=True)
class LocalProcesses:
    """Worker processes to start on this machine, one thread each.

    Attributes
    ----------
    workers
        How many; None for one per processor.
    memory_limit
        Bytes that each may use, or a text such as ``2GB``; None for an equal share of the machine, one more for this
        process.
    """

    workers: int | None = None
    memory_limit: int | str | None = None


@contextmanager
def connect(
    scheduler: str | None = None,
    threads: int | None = None,
    *,
    cluster: str = "",
    workers: int | None = None,
    memory_limit: int | str | None = None,
) -> Iterator[Workers]:
    """Workers at the address of a Dask `scheduler`, or those of a `cluster` started for this work and closed behind it,
    or, without either, `threads` threads of this process (all processors).

    Parameters
    ----------
    cluster
        ``local`` starts `workers` processes on this machine, each allowed `memory_limit`. A script that asks for it
        must do so behind ``if __name__ == "__main__":``, because the processes import it.

    Raises
    ------
    InputError
        Nothing answers at the address, no worker has joined, the workers cannot import gapscope, or the options do not
        go together.
    GapscopeError
        Later, from within the block: the scheduler is gone, or one task has killed several workers.
    """
    with SCHEDULERS[_kind(scheduler, cluster, workers, memory_limit)](
        LocalProcesses(workers, memory_limit) if cluster else scheduler or threads or processors()
    ) as connected:
        yield connected


def _kind(scheduler: str | None, cluster: str, workers: int | None, memory_limit: int | str | None) -> str:
    if cluster and cluster not in CLUSTERS:
        raise unknown_name("cluster", cluster, CLUSTERS)
    if cluster and scheduler:
        raise InputError(f"--cluster {cluster} and --scheduler {scheduler} exclude each other; leave out one")
    if not cluster and (workers is not None or memory_limit is not None):
        raise InputError("a number of workers or their memory limit is set only with --cluster local; add it")
    if workers is not None and workers < 1:
        raise InputError(f"a cluster of {workers} workers cannot compute; ask for one or more")
    return cluster or ("address" if scheduler else "threads")

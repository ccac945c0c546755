"""The workers that a job's options name, told to the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from gapscope.core.budget import mib
from gapscope.core.errors import BudgetError
from gapscope.core.progress import Progress
from gapscope.stream import Workers, connect


class Where(Protocol):
    """Options that say where a job works.

    Attributes
    ----------
    scheduler
        Address of a Dask scheduler.
    cluster
        Name of the kind of cluster to start, such as local.
    workers
        Number of its workers.
    """

    scheduler: str | None
    cluster: str
    workers: int | None


@contextmanager
def connected(options: Where, progress: Progress) -> Iterator[Workers]:
    """Workers where `options` want them; the address of their dashboard is said."""
    with connect(options.scheduler, cluster=options.cluster, workers=options.workers) as workers:
        if workers.dashboard:
            progress.say(f"dashboard: {workers.dashboard}")
        yield workers


def check_worker_memory(workers: Workers, needed: int, what: str) -> None:
    """Refuse `what` when a worker's memory limit is below the `needed` bytes.

    Raises
    ------
    BudgetError
        See above.
    """
    limit = workers.memory_limit
    if limit is not None and needed > limit:
        raise BudgetError(
            f"{what} needs about {mib(needed)} of memory on a worker but its limit is {mib(limit)}; "
            "start workers with a larger --memory-limit"
        )

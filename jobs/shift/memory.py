"""The memory that comparing sets takes, told before the first row is read."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.threads import processors
from gapscope.jobs.shift.config import ShiftConfig
from gapscope.jobs.shift.sets import Sets
from gapscope.stream import CHUNK_ROWS


class Size(NamedTuple):
    """What the memory of the summaries depends on."""

    dim: int
    classes: int


# Bytes of one set's summary; a statistic that is not here keeps nothing.
SUMMARIES: Mapping[str, Callable[[Size], int]] = {
    "moments": lambda size: 8 * 4 * size.dim,
    "marginal": lambda size: 8 * 1024 * size.dim,
    "sliced": lambda size: 8 * 288 * (1024 + size.dim),
    "mmd": lambda size: 8 * 3 * 512 * (512 + 1),
}


def check_memory(config: ShiftConfig, names: Sequence[str], sets: Sets) -> int:
    """Refuse, before the first row is read, sets whose summaries would not fit; bytes that a worker needs.

    A summary of the rows so far, of a chunk, and of both together are there at once on each thread; that of each set
    stays.

    Raises
    ------
    BudgetError
        The projected need is above ``--memory``.
    """
    size = Size(sets.reference.dim, max(1, len(sets.reference.class_names)))
    summary = 8 * size.dim * (size.dim + 2 * size.classes)
    summary += sum(SUMMARIES[name](size) for name in names if name in SUMMARIES)
    chunk = 4 * size.dim * CHUNK_ROWS * 6
    on_a_worker = 3 * summary + chunk
    threads = 1 if config.scheduler or config.cluster else processors()
    what = f"comparing {len(sets.stores)} sets of {size.dim:,} features and {size.classes:,} classes"
    way_out = "name fewer --statistics or targets, or raise --memory"
    Budget(parse_bytes(config.memory)).require(threads * on_a_worker + len(sets.stores) * summary, what, way_out)
    return on_a_worker

"""The memory that comparing sets takes, known before the first row is read."""

from collections.abc import Sequence

from gapscope.core.budget import Budget, parse_bytes
from gapscope.shifts import SHIFTS
from gapscope.stream import CHUNK_ROWS


def check_memory(names: Sequence[str], sets: int, dim: int, classes: int, *, allowed: str, threads: int) -> int:
    """Refuse, before the first row is read, sets whose summaries would not fit; bytes that a worker needs.

    A summary of the rows so far, of a chunk, and of both together are there at once on each thread; that of each set
    stays.

    Parameters
    ----------
    names
        The statistics, in `SHIFTS`.
    allowed
        Such as ``2GB``.

    Raises
    ------
    BudgetError
        The projected need is above what is allowed.
    """
    classes = max(1, classes)
    summary = 8 * dim * (dim + 2 * classes) + sum(SHIFTS[name].state_bytes(dim) for name in names)
    on_a_worker = 3 * summary + 4 * dim * CHUNK_ROWS * 6
    what = f"comparing {sets} sets of {dim:,} features and {classes:,} classes"
    way_out = "name fewer --statistics or targets, or raise --memory"
    Budget(parse_bytes(allowed)).require(threads * on_a_worker + sets * summary, what, way_out)
    return on_a_worker

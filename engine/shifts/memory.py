"""The memory that comparing sets takes, known before the first row is read."""

from collections.abc import Sequence

from gapscope.core.budget import Budget, parse_bytes
from gapscope.shifts import SHIFTS
from gapscope.shifts.domain import MEMORY_BYTES, training_rows
from gapscope.stream import CHUNK_ROWS, chunk_bytes

# Bytes a row of the classifier: margins of sixteen heads, and its scores.
MARGINS = 160


def check_memory(
    names: Sequence[str], rows: Sequence[int], dim: int, classes: int, *, allowed: str, threads: int
) -> int:
    """Refuse, before the first row is read, sets whose summaries would not fit; bytes that a worker needs.

    A summary of the rows so far, of a chunk, and of both together are there at once on each thread; that of each set
    stays. Once these are made, the classifier takes the rows that it learns from, and numbers of every row of two sets.

    Parameters
    ----------
    names
        The statistics, in `SHIFTS`.
    rows
        Of each set, the reference first.
    allowed
        Such as ``2GB``.

    Raises
    ------
    BudgetError
        The projected need is above what is allowed.
    """
    classes = max(1, classes)
    summary = 8 * dim * (dim + 2 * classes) + sum(SHIFTS[name].state_bytes(dim) for name in names)
    on_a_worker = 3 * summary + chunk_bytes(dim)
    what = f"comparing {len(rows)} sets of {dim:,} features and {classes:,} classes"
    way_out = "name fewer --statistics or targets, or raise --memory"
    classifier = _classifier(rows, dim, threads) if "classifier" in names else 0
    needed = max(threads * on_a_worker, classifier) + len(rows) * summary
    Budget(parse_bytes(allowed)).require(needed, what, way_out)
    return on_a_worker


def _classifier(rows: Sequence[int], dim: int, threads: int) -> int:
    """Of the reference and the largest target: rows in memory, margins, and a chunk in float64 on each thread."""
    pair = [rows[0], max(rows[1:], default=0)]
    learning = sum(training_rows(one, dim) for one in pair)
    return min(4 * dim * learning, MEMORY_BYTES) + MARGINS * sum(pair) + threads * 12 * dim * CHUNK_ROWS

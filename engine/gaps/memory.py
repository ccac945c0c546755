"""The memory that a gap takes, known before the first row of its sets is read."""

from collections.abc import Sequence

from gapscope.core.budget import Budget, parse_bytes
from gapscope.gaps.target_ridge import ridge_bytes
from gapscope.predictions.memory import ROW_BYTES
from gapscope.shifts.domain import MEMORY_BYTES, training_rows
from gapscope.store import View
from gapscope.stream import chunk_bytes

# Bytes a row beside its predictions: identities, margins of sixteen heads, domain scores, and the rows of the tables.
EVIDENCE_ROW = 400


def check_memory(views: Sequence[View], classes: int, *, allowed: str, threads: int) -> int:
    """Refuse, before the first row is read, sets that would not fit; the projected bytes.

    Parameters
    ----------
    views
        The two sets.
    allowed
        Such as ``2GB``.

    Raises
    ------
    BudgetError
        The projected need is above what is allowed.
    """
    dim = views[0].store.dim
    rows = (ROW_BYTES + EVIDENCE_ROW) * sum(view.rows for view in views)
    learning = 4 * dim * sum(training_rows(view) for view in views)
    square = 8 * dim * (dim + 2 * classes)
    kept = max(min(learning, MEMORY_BYTES), ridge_bytes(views[1].rows, dim, classes))
    needed = rows + kept + (8 + 3 * threads) * square + threads * chunk_bytes(dim, classes)
    what = f"a gap between {views[0].rows:,} and {views[1].rows:,} rows of {dim:,} features"
    way_out = "choose fewer rows with --only, leave parts out with --skip domain remedies, or raise --memory"
    Budget(parse_bytes(allowed)).require(needed, what, way_out)
    return needed

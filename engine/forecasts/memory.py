"""The memory that forecasts take, known before the first row of their sets is read."""

from collections.abc import Sequence

from gapscope.core.budget import Budget, parse_bytes
from gapscope.forecasts.scored import KEPT
from gapscope.predictions.memory import FIXED
from gapscope.store import View
from gapscope.stream import chunk_bytes

# Bytes a row and model: its id, label, predictions and how sure they are, and copies of these on their way.
ROW_BYTES = 300
# The shifts that are made of the reference, and bootstraps of rows.
MADE_ROW = 1000


def check_memory(views: Sequence[View], models: int, classes: int, *, allowed: str, threads: int) -> int:
    """Refuse, before the first row is read, sets that would not fit together; the projected bytes.

    Parameters
    ----------
    views
        The sets, the reference first.
    models
        How many predict every row.
    allowed
        Such as ``2GB``.

    Raises
    ------
    BudgetError
        The projected need is above what is allowed.
    """
    dim, rows = views[0].store.dim, [view.rows for view in views]
    kept = 4 * models * sum(min(KEPT, one * classes) for one in rows)
    square = 8 * (dim * dim + models * classes * classes)
    needed = (
        FIXED
        + models * ROW_BYTES * sum(rows)
        + MADE_ROW * rows[0]
        + kept
        + (4 + 3 * threads) * square
        + threads * chunk_bytes(dim, classes)
    )
    what = f"forecasting {models} models on {sum(rows):,} rows of {dim:,} features"
    Budget(parse_bytes(allowed)).require(needed, what, "name fewer targets or models, or raise --memory")
    return needed

"""The memory that a gap takes, known before the first row of its sets is read."""

from collections.abc import Sequence

import numpy as np

from gapscope.core.budget import Budget, parse_bytes
from gapscope.gaps.target_ridge import ridge_bytes
from gapscope.predictions.memory import ROW_BYTES
from gapscope.remedies import prior
from gapscope.shifts.domain import MEMORY_BYTES, training_rows
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected, some_of
from gapscope.stream import chunk_bytes

# Bytes a row beside its predictions: identities, margins of sixteen heads, domain scores, and the rows of the tables.
EVIDENCE_ROW = 400
# Where not all rows of a set fit, its first are taken, but never fewer than these: they tell an accuracy to 0.3 points.
FEWEST_ROWS = 100_000


def gap_bytes(rows: Sequence[int], dim: int, classes: int, threads: int) -> int:
    """What a gap between two sets of so many rows, the reference first, takes at most."""
    each_row = (ROW_BYTES + EVIDENCE_ROW) * sum(rows)
    learning = 4 * dim * sum(training_rows(one, dim) for one in rows)
    square = 8 * dim * (dim + 2 * classes)
    ridge, probabilities = ridge_bytes(rows[1], dim, classes), prior.kept_bytes(rows[1], classes)
    kept = max(min(learning, MEMORY_BYTES), ridge, probabilities)
    return each_row + kept + (8 + 3 * threads) * square + threads * chunk_bytes(dim, classes)


def that_fit(
    stores: Sequence[EmbeddingStore | Selected], classes: int, *, allowed: str, threads: int
) -> list[EmbeddingStore | Selected]:
    """The two sets; of one whose rows do not fit all the first, which are a fair sample, as rows are shuffled.

    Parameters
    ----------
    allowed
        Such as ``2GB``.

    Raises
    ------
    BudgetError
        The projected need of 100,000 rows, or of all where they are fewer, is above what is allowed.
    """
    budget, dim = Budget(parse_bytes(allowed)), stores[0].dim

    def needed(most: int) -> int:
        return gap_bytes([min(store.rows, most) for store in stores], dim, classes, threads)

    low, high = FEWEST_ROWS, max(FEWEST_ROWS, *(store.rows for store in stores))
    first, second = (min(store.rows, low) for store in stores)
    what = f"a gap between {first:,} and {second:,} rows of {dim:,} features"
    way_out = "choose fewer rows with --only, leave parts out with --skip domain remedies, or raise --memory"
    budget.require(needed(low), what, way_out)
    while low < high:  # the most rows that fit, by bisection
        middle = (low + high + 1) // 2
        low, high = (middle, high) if needed(middle) <= budget.allowed else (low, middle - 1)
    return [store if store.rows <= low else _first(store, low) for store in stores]


def _first(store: EmbeddingStore | Selected, count: int) -> Selected:
    said = f"{store.name}: {count:,} of {store.rows:,} rows, a random sample, as --memory holds no more."
    return some_of(store, np.arange(store.rows) < count, said)

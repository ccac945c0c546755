"""How many rows are laid out, and whether the memory is enough for that."""

from gapscope.core.budget import Budget
from gapscope.maps import MAPS
from gapscope.maps.sets import Sets
from gapscope.stream import chunk_bytes

SAMPLE = 10_000
# Bytes that a layout keeps for each of its rows: its neighbours, twice, with their weights.
LAYOUT_ROW = 8192
# The layout may take one part in so many of the memory.
LAYOUT_SHARE = 4


def check_memory(method: str, sets: Sets, sample: int | None, allowed: int, threads: int) -> tuple[int, int]:
    """Rows of the sample, and bytes that a worker needs.

    A summary of the rows so far, of a chunk, and of both together are there at once on each of the `threads` of this
    process; that of each set stays; then the layout.

    Parameters
    ----------
    sample
        Rows that are wanted; as many as a share of the memory holds, 10,000 at most, when None.
    allowed
        Bytes.

    Raises
    ------
    BudgetError
        The projected need is above what is allowed.
    """
    size = min(sets.rows, sample or max(1, min(SAMPLE, allowed // LAYOUT_SHARE // LAYOUT_ROW)))
    summary = 8 * sets.dim * (2 * sets.dim + max(1, len(sets.class_names)))
    on_a_worker = 3 * summary + chunk_bytes(sets.dim) + 2**25
    layout = LAYOUT_ROW * size if MAPS[method].sampled else 0
    needed = max(threads * on_a_worker + len(sets.stores) * summary, layout + threads * on_a_worker)
    what = f"a map of {sets.dim:,} features with a sample of {size:,} rows"
    Budget(allowed).require(needed, what, "ask for a smaller --sample, or raise --memory")
    return size, on_a_worker

"""How many rows are laid out, and whether the memory is enough for that."""

from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.threads import processors
from gapscope.jobs.map.config import MapConfig
from gapscope.jobs.map.sets import Sets
from gapscope.maps import MAPS
from gapscope.stream import CHUNK_ROWS

SAMPLE = 10_000
# Bytes that a layout keeps for each of its rows: its neighbours, twice, with their weights.
LAYOUT_ROW = 8192
# Share of --memory that the layout may take.
LAYOUT_SHARE = 4


def check_memory(config: MapConfig, sets: Sets) -> tuple[int, int]:
    """Rows of the sample, and bytes that a worker needs.

    A summary of the rows so far, of a chunk, and of both together are there at once on each thread; that of each set
    stays; then the layout.

    Raises
    ------
    BudgetError
        The projected need is above ``--memory``.
    """
    allowed, dim = parse_bytes(config.memory), sets.stores[0].dim
    size = min(sets.rows, config.sample or max(1, min(SAMPLE, allowed // LAYOUT_SHARE // LAYOUT_ROW)))
    summary = 8 * dim * (2 * dim + max(1, len(sets.class_names)))
    on_a_worker = 3 * summary + 4 * dim * CHUNK_ROWS * 6 + 2**25
    threads = 1 if config.scheduler or config.cluster else processors()
    layout = LAYOUT_ROW * size if MAPS[config.method].sampled else 0
    needed = max(threads * on_a_worker + len(sets.stores) * summary, layout + threads * on_a_worker)
    what = f"a map of {dim:,} features with a sample of {size:,} rows"
    Budget(allowed).require(needed, what, "ask for a smaller --sample, or raise --memory")
    return size, on_a_worker

"""The graph of a reduction: leaves merged in fours, whatever runs it."""

from collections.abc import Callable, Sequence
from typing import Any

from dask import delayed
from dask.delayed import Delayed

FAN_IN = 4


def reduction(leaves: Sequence[Delayed], merge: Callable[[list], Any]) -> Delayed:
    """One delayed value that merges all `leaves`, neighbours first."""
    level = list(leaves)
    while len(level) > 1:
        level = [delayed(merge, pure=False)(level[i : i + FAN_IN]) for i in range(0, len(level), FAN_IN)]
    return level[0]

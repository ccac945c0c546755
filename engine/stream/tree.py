"""The shape of a reduction: which summaries are merged with which, whatever runs it."""

from collections.abc import Callable, Sequence
from typing import Any

FAN_IN = 8


def reduced(leaves: Sequence[Any], merge: Callable[[Sequence[Any], str], Any]) -> Any:
    """One value from all `leaves`: runs of `FAN_IN` neighbours are merged, then runs of these, until one is left.

    `merge(values, place)` merges a run in its order; `place` is its level and number, such as ``1.07``. The shape
    follows from the number of leaves alone, so that threads and any number of workers round in the same way. A tree
    rather than a chain, because on a cluster the runs are merged side by side.
    """
    values, level = list(leaves), 0
    while len(values) > 1:
        level += 1
        runs = [values[i : i + FAN_IN] for i in range(0, len(values), FAN_IN)]
        values = [merge(run, f"{level}.{i:02d}") if len(run) > 1 else run[0] for i, run in enumerate(runs)]
    return values[0]

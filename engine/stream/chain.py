"""The graph of a reduction: leaves merged one after the other, in their order, whatever runs it."""

from collections.abc import Callable, Sequence
from typing import Any

from dask import delayed
from dask.delayed import Delayed


def reduction(leaves: Sequence[Delayed], merge: Callable[[list], Any]) -> Delayed:
    """One delayed value that merges all `leaves`.

    A chain and not a tree: a leaf is merged as soon as those before it are, so that no more wait than are computed at
    a time. In a tree more wait the more leaves there are, and memory would grow with the rows.
    """
    total = leaves[0]
    for leaf in leaves[1:]:
        total = delayed(merge, pure=False)([total, leaf])
    return total

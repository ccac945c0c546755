"""Rows of several stores mixed into one, in which every run of rows has its share of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.schemas.embeddings import Provenance
from gapscope.store.plan import Piece
from gapscope.store.rows import Named, Rows

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Interleaved(Named):
    """The rows of `stores`, which have the same features and class indices, each store's in its own order; picklable.

    Row j of n of a store stands where (j + 1/2) / n of all rows have passed. So random orders make a random order, a
    piece is one run of rows of each store, and the last rows are the last ones of each. Where the stores differ in
    size, a row counts as many rows as it takes for all stores to count alike; the weights have mean 1.

    Attributes
    ----------
    provenance
        That of the first, under the name and with the classes of all.
    """

    stores: tuple[Rows, ...]
    provenance: Provenance

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(self._sizes)

    @property
    def unseen(self) -> int | None:
        """None may be held out where a store has synthetic rows; else any."""
        return None if all(store.unseen is None for store in self.stores) else 0

    @property
    def is_weighted(self) -> bool:
        """Whether rows count differently."""
        return len(set(self._sizes)) > 1

    def read(self, piece: Piece, into: Array | None = None) -> Chunk:
        """The rows of `piece`, in order; their features in ``into : (m, d) float32`` if that has rows enough."""
        n = piece.rows
        x = np.empty((n, self.dim), np.float32) if into is None or len(into) < n else into[:n]
        result = Chunk(np.empty(n, np.int64), x, np.empty(n, np.int32), np.empty(n))
        for store, at in zip(self.stores, _places(self._sizes), strict=True):
            low, high = map(int, np.searchsorted(at, piece))
            if low == high:
                continue
            rows = at[low:high] - piece.start
            for column, part in zip(result[:3], store.read(Piece(low, high))[:3], strict=True):
                column[rows] = part
            result.weights[rows] = self.rows / (len(self.stores) * store.rows)
        return result if self.is_weighted else result._replace(weight=None)

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(store.rows for store in self.stores)


@lru_cache(maxsize=4)
def _places(sizes: Sequence[int]) -> list[Array]:
    """Where the rows of each store stand among all, ascending, ``(n_s,) int64`` each.

    >>> [one.tolist() for one in _places((2, 4))]
    [[1, 4], [0, 2, 3, 5]]
    """
    passed = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes])
    place = np.empty(len(passed), np.int64)
    place[np.argsort(passed, kind="stable")] = np.arange(len(passed))
    bounds = np.cumsum([0, *sizes])
    return [place[low:high] for low, high in pairwise(bounds)]

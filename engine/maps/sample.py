"""The rows that a layout is fitted on: of each set and class the first rows, which stand in random order."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.maps.projection import Projection
from gapscope.maps.space import Space
from gapscope.store import View
from gapscope.stream import CHUNK_ROWS, Workers, fold

Array = np.ndarray
# Of the rows that hold the quotas of all classes if each were drawn evenly, how many more are read at a time.
SLACK = 1.25


class Sample(NamedTuple):
    """Rows in principal coordinates.

    Attributes
    ----------
    z : (m, p) float32
    view : (m,) int64
        Number of the set.
    row : (m,) int64
        Position in the store; ascending within a set.
    sample_id : (m,) int64
    y : (m,) int32
    """

    z: Array
    view: Array
    row: Array
    sample_id: Array
    y: Array

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.row)

    def at(self, chosen: Array) -> "Sample":
        """The rows at the positions `chosen`."""
        return Sample(*(column[chosen] for column in self))

    @classmethod
    def joined(cls, parts: Sequence["Sample"]) -> "Sample":
        """The rows of all parts below each other."""
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class FirstRows(NamedTuple):
    """The first rows of each class among those seen so far; those of neighbouring runs of rows merge in order.

    Attributes
    ----------
    rows
        In store order.
    quota : (C + 1,) int64
        How many of each class at most; rows without a label are the last class.
    """

    rows: Sample
    quota: Array

    @classmethod
    def of(cls, index: int, chunk: Chunk, first: int, view: int, projection: Projection, quota: Array) -> "FirstRows":
        """Those of the `index`-th chunk behind row `first` of a set."""
        kept = np.flatnonzero(rank_in_class(chunk.y, len(quota)) < quota[chunk.y])
        row = first + index * CHUNK_ROWS + kept
        picked = Sample(projection(chunk.x[kept]), np.full(len(kept), view), row, chunk.sample_id[kept], chunk.y[kept])
        return cls(picked, quota)

    def merge(self, other: "FirstRows") -> "FirstRows":
        """Those of both runs of rows together."""
        both = Sample.joined([self.rows, other.rows])
        return FirstRows(both.at(rank_in_class(both.y, len(self.quota)) < self.quota[both.y]), self.quota)


def rank_in_class(y: Array, classes: int) -> Array:
    """How many rows of its own class stand before each row of ``y : (n,)``, whose -1 is the last class."""
    index = np.where(y < 0, classes - 1, y)
    order = np.argsort(index, kind="stable")
    begins = np.cumsum(np.bincount(index, minlength=classes)) - np.bincount(index, minlength=classes)
    rank = np.empty(len(y), np.int64)
    rank[order] = np.arange(len(y)) - begins[index[order]]
    return rank


def quotas(counts: Array, size: int) -> Array:
    """How many rows of each set and class to take, ``(v, c)``, at most `size` of all ``counts : (v, c)``.

    The sets have equal shares, so that a small one is seen beside a large one; each goes to the classes by their rows.
    """
    shares = even_shares(counts.sum(axis=1), size)
    return np.array([by_size(rows, share) for rows, share in zip(counts, shares, strict=True)])


def even_shares(rows: Array, size: int) -> Array:
    """`size` divided evenly; what a set has not rows for goes to the others.

    >>> even_shares(np.array([100, 2, 9]), 20).tolist()
    [9, 2, 9]
    """
    shares, left = np.zeros_like(rows), size
    order = np.argsort(rows, kind="stable")
    for place, index in enumerate(order):
        shares[index] = min(rows[index], left // (len(order) - place))
        left -= shares[index]
    return shares


def by_size(rows: Array, size: int) -> Array:
    """`size` divided in proportion to ``rows : (c,)``, by largest remainders.

    >>> by_size(np.array([60, 30, 11]), 10).tolist()
    [6, 3, 1]
    """
    if rows.sum() <= size:
        return rows
    exact = rows * (size / rows.sum())
    share = np.floor(exact).astype(np.int64)
    order = np.argsort(share - exact, kind="stable")
    share[order[: size - share.sum()]] += 1
    return share


def take(space: Space, size: int, workers: Workers, progress: Progress = SILENT) -> Sample:
    """A sample of at most `size` rows by set and class, in principal coordinates.

    Reads the front of each store, as far as the quota of its slowest class lies.
    """
    wanted = quotas(space.counts, size)
    parts = [_first(space, number, quota, workers, progress) for number, quota in enumerate(wanted)]
    return Sample.joined(parts)


def _first(space: Space, number: int, quota: Array, workers: Workers, progress: Progress) -> Sample:
    whole = space.views[number]
    wanted, start = int(quota.sum()), whole.start
    result = None
    while result is None or (result.rows.rows < wanted and start < whole.stop):
        missing = wanted - (result.rows.rows if result else 0)
        stop = min(whole.stop, start + CHUNK_ROWS * -(-int(SLACK * missing) // CHUNK_ROWS))
        of = partial(FirstRows.of, first=start, view=number, projection=space.principal, quota=quota)
        part = View(whole.store, start, stop)
        more = fold(part, of, workers, numbered=True, progress=progress, description="sample")
        result, start = result.merge(more) if result else more, stop
    return result.rows

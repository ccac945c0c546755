"""Counts of many features in many bins, made by a compiled search.

Of each feature the bins are half open, ``[edge, next edge)``, the first and the last without end. Counts add up, and
comparing float32 numbers does not round, so they come out alike in any chunks and any order. `Bins.of` puts edges near
the quantiles of a sample, so that bins hold about the same mass; a value that occurs again and again, such as the zero
behind a rectifier, gets a bin of its own.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numba
import numpy as np

from gapscope.summaries.places import LINE, MATRIX, TABLE, VECTOR, Places, cell_of, search

BINS = 1024


@numba.njit(numba.void(MATRIX, MATRIX, VECTOR, VECTOR, TABLE, numba.int64[:, ::1]), nogil=True, cache=True)
def _count(
    x: np.ndarray, edges: np.ndarray, low: np.ndarray, scale: np.ndarray, below: np.ndarray, counts: np.ndarray
) -> None:
    rows, dim = x.shape
    columns = np.empty((LINE, rows), np.float32)
    for first in range(0, dim, LINE):
        width = min(LINE, dim - first)
        for i in range(rows):
            for k in range(width):
                columns[k, i] = x[i, first + k]
        for k in range(width):
            j = first + k
            edge, count = edges[j], counts[j]
            for i in range(rows):
                value = columns[k, i]
                cell = cell_of(value, low[j], scale[j])
                count[search(value, edge, below[j, cell], below[j, cell + 1])] += 1


@dataclass(frozen=True, eq=False)
class Bins:
    """Where the bins of d features lie; small and picklable.

    Attributes
    ----------
    edges : (d, b - 1) float32
        Ascending in each row; edges may repeat, which leaves bins empty.
    """

    edges: np.ndarray

    @classmethod
    def of(cls, sample: np.ndarray, bins: int = BINS) -> "Bins":
        """At most `bins` bins of about equal mass in ``sample : (m, d)``, m >= 1; of a small sample, distinct values
        are all told apart.
        """
        ordered = np.sort(np.asarray(sample, np.float32), axis=0)
        places = np.linspace(0, len(ordered) - 1, min(bins - 1, len(ordered) + 1)).round().astype(np.int64)
        edges = np.ascontiguousarray(ordered[places].T)
        # A value that is met again is an atom: its bin ends right above it.
        again = edges[:, 1:] == edges[:, :-1]
        edges[:, 1:][again] = np.nextafter(edges[:, 1:][again], np.float32(np.inf))
        return cls(edges)

    @property
    def dim(self) -> int:
        """Number of features."""
        return len(self.edges)

    @property
    def count(self) -> int:
        """Number of bins."""
        return self.edges.shape[1] + 1

    @cached_property
    def points(self) -> np.ndarray:
        """Whether a bin holds a single float32 value, ``(d, b)``."""
        single = np.nextafter(self.edges[:, :-1], np.float32(np.inf)) >= self.edges[:, 1:]
        return np.pad(single, ((0, 0), (1, 1)))

    @cached_property
    def _places(self) -> Places:
        return Places.of(self.edges)

    def counts(self, x: np.ndarray) -> np.ndarray:
        """Rows of ``x : (n, d)`` in each bin, ``(d, b) int64``; some 10 to 25 ns for each number."""
        counts = np.zeros((self.dim, self.count), np.int64)
        _count(np.ascontiguousarray(x, np.float32), *self._places, counts)
        return counts


class Histograms(NamedTuple):
    """How many rows seen so far have each feature in each bin.

    Attributes
    ----------
    n
        Number of rows.
    counts : (d, b) int64
        8 MiB at 1024 features and 1024 bins.
    low, high : (d,) float64
        Smallest and largest value; infinite where there are no rows.
    """

    n: int
    counts: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, bins: Bins) -> "Histograms":
        """Histograms of ``x : (n, d)``, taken as float32."""
        x = np.ascontiguousarray(x, np.float32)
        low, high = (ends(axis=0, initial=start) for ends, start in ((x.min, np.inf), (x.max, -np.inf)))
        return cls(len(x), bins.counts(x), low.astype(np.float64), high.astype(np.float64))

    def merge(self, other: "Histograms") -> "Histograms":
        """Histograms of both row sets together."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Histograms(self.n + other.n, self.counts + other.counts, low, high)

    @property
    def below(self) -> np.ndarray:
        """Share of the rows below each edge, ``(d, b + 1)``, from 0 below all bins to 1."""
        shares = np.zeros((len(self.counts), self.counts.shape[1] + 1))
        np.cumsum(self.counts, axis=1, out=shares[:, 1:])
        return np.divide(shares, max(self.n, 1), out=shares)


def widths(bins: Bins, one: Histograms, other: Histograms) -> np.ndarray:
    """Width of each bin ``(d, b)``, the outermost ones ending at the extremes of both row sets."""
    edges = bins.edges.astype(np.float64)
    low = np.minimum(np.minimum(one.low, other.low), edges[:, 0])
    high = np.maximum(np.maximum(one.high, other.high), edges[:, -1])
    return np.diff(np.column_stack([low, edges, high]), axis=1)

"""Where numbers lie among the sorted edges of their feature, by a table of cells and a short compiled search.

A cell is a part of the range of a feature's edges; all have one width. The cell of a number does not fall as the number
grows, however it is rounded, so that the edges in the cells below lie at or below it, and those in the cells above lie
above it. What is left is found by bisection: no edge or a few where edges are spread like the numbers, and never more
steps than without cells.
"""

from typing import NamedTuple

import numba
import numpy as np

Array = np.ndarray
CELLS = 1024
# Features that are turned into columns together: a cache line of float32.
LINE = 16

MATRIX = numba.types.Array(numba.float32, 2, "C", readonly=True)
VECTOR = numba.types.Array(numba.float32, 1, "C", readonly=True)
TABLE = numba.types.Array(numba.uint16, 2, "C", readonly=True)


class Places(NamedTuple):
    """The edges of d features, and how many lie below each cell; small and picklable.

    Attributes
    ----------
    edges : (d, m) float32
        Ascending in each row; m is below 65,536.
    low, scale : (d,) float32
        The first edge, and cells in a unit of the feature; nought where the edges have no finite range.
    below : (d, CELLS + 1) uint16
    """

    edges: Array
    low: Array
    scale: Array
    below: Array

    @classmethod
    def of(cls, edges: Array) -> "Places":
        """For ``edges : (d, m)``, m > 0."""
        edges = np.ascontiguousarray(edges, np.float32)
        low = np.ascontiguousarray(edges[:, 0])
        with np.errstate(all="ignore"):
            width = edges[:, -1] - low
            scale = np.where(width > 0, np.float32(CELLS) / width, np.float32(0)).astype(np.float32)
        below = np.zeros((len(edges), CELLS + 1), np.uint16)
        _fill(edges, low, scale, below)
        return cls(edges, low, scale, below)


@numba.njit(numba.int64(numba.float32, numba.float32, numba.float32), nogil=True, cache=True)
def cell_of(value: float, low: float, scale: float) -> int:
    """The cell of a number, the first for NaN."""
    along = (value - low) * scale
    if not along > 0:
        return 0
    return CELLS - 1 if along >= CELLS - 1 else int(along)


@numba.njit(numba.int64(numba.float32, VECTOR, numba.int64, numba.int64), nogil=True, cache=True)
def search(value: float, edges: Array, first: int, stop: int) -> int:
    """How many edges are not above a number, which is known to be `first` to `stop`."""
    while first < stop:
        middle = (first + stop) >> 1
        if edges[middle] <= value:
            first = middle + 1
        else:
            stop = middle
    return first


@numba.njit(numba.void(MATRIX, VECTOR, VECTOR, numba.uint16[:, ::1]), nogil=True, cache=True)
def _fill(edges: Array, low: Array, scale: Array, below: Array) -> None:
    for j in range(edges.shape[0]):
        for i in range(edges.shape[1]):
            below[j, cell_of(edges[j, i], low[j], scale[j]) + 1] += 1
        for cell in range(CELLS):
            below[j, cell + 1] += below[j, cell]

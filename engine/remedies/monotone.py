"""A monotone map of each feature, linear between knots, by a compiled search."""

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from gapscope.summaries.places import LINE, MATRIX, TABLE, VECTOR, Places, cell_of, search

Array = np.ndarray


@numba.njit(
    numba.void(MATRIX, MATRIX, VECTOR, VECTOR, TABLE, MATRIX, MATRIX, MATRIX, numba.float32[:, ::1]),
    nogil=True,
    cache=True,
)
def _map(
    x: Array, knots: Array, low: Array, scale: Array, table: Array, at: Array, above: Array, below: Array, result: Array
) -> None:
    rows, dim = x.shape
    last = knots.shape[1] - 1
    columns = np.empty((LINE, rows), np.float32)
    for first in range(0, dim, LINE):
        width = min(LINE, dim - first)
        for i in range(rows):
            for k in range(width):
                columns[k, i] = x[i, first + k]
        for k in range(width):
            j = first + k
            knot = knots[j]
            for i in range(rows):
                value = columns[k, i]
                cell = cell_of(value, low[j], scale[j])
                place = search(value, knot, table[j, cell], table[j, cell + 1]) - 1
                near = max(place, 0)
                left = knot[near]
                if place < 0 or place == last or value == left:
                    columns[k, i] = at[j, near] + (value - left)
                else:
                    share = (value - left) / (knot[near + 1] - left)
                    columns[k, i] = above[j, near] + share * (below[j, near + 1] - above[j, near])
        for i in range(rows):
            for k in range(width):
                result[i, first + k] = columns[k, i]


@dataclass(frozen=True, eq=False)
class Monotone:
    """A monotone function for each feature, linear between knots and with slope one beyond them.

    Attributes
    ----------
    knots : (d, q) float32
    at, above, below : (d, q) float32
        Its value at a knot, and its limits from the right and from the left, which differ where many rows share a
        value.
    """

    knots: Array
    at: Array
    above: Array
    below: Array

    def __call__(self, x: Array) -> Array:
        """The changed rows ``(n, d) float32``; about ``n d log q``."""
        x = np.ascontiguousarray(x, np.float32)
        if x.shape[1:] != self.knots.shape[:1]:
            raise ValueError(f"{x.shape[1:]} features have no map of {self.knots.shape[:1]}")
        tables = (np.ascontiguousarray(one, np.float32) for one in (self.at, self.above, self.below))
        result = np.empty_like(x)
        _map(x, *self._places, *tables, result)
        return result

    @cached_property
    def _places(self) -> Places:
        return Places.of(self.knots)

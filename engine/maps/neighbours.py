"""A row's place on a map that others were laid out on: where those of its nearest that agree lie closest together.

The fitted rows next to it pull with weights that fall to nought at the farthest, and on the map as the tails of
Student's distribution do, ``1 / (1 + r²/c²)``, which is the pull of t-SNE without its repulsion. A mean would fall
between two clusters, where nothing is; this settles in one. It begins at the neighbour that all others are nearest to
in the same sense, and is iteratively reweighted, each step of which lowers ``sum w log(1 + r²/c²)``.

A row is placed by itself: neither the other rows nor the chunk it came in have a part in it, beyond rounding.

References
----------
Holland and Welsch (1977), "Robust regression using iteratively reweighted least-squares": the weights.
Poličar, Stražar and Zupan (2023), "Embedding to reference t-SNE space addresses batch effects in single-cell
classification": placing by neighbours, there by medians, where it begins an optimisation.
"""

from dataclasses import dataclass

import numba
import numpy as np

from gapscope.maps.nearest import nearest
from gapscope.maps.projection import Projection

Array = np.ndarray
# The farthest of these has no weight, so that it does not matter which of two equally near ones is taken.
PULLING = 16
# The scale of the pull is the median distance on the map to this neighbour there.
REACH = 5
STEPS = 10
# Rows whose distances on the map set the scale.
SCALED_ROWS = 2000


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Places rows among fitted ones; a value of ``4 m (p + 2)`` bytes that travels to workers.

    Attributes
    ----------
    projection
        From features to the coordinates in which neighbours are found.
    z : (m, p) float32
        The fitted rows there.
    xy : (m, 2) float32
        And on the map.
    scale
        Distance on the map within which rows pull fully.
    """

    projection: Projection
    z: Array
    xy: Array
    scale: float

    @classmethod
    def of(cls, projection: Projection, z: Array, xy: Array) -> "Neighbours":
        """Among rows ``z : (m, p)`` that lie at ``xy : (m, 2)``, m >= 1."""
        return cls(projection, np.ascontiguousarray(z, np.float32), np.ascontiguousarray(xy, np.float32), _scale(xy))

    def __call__(self, x: Array) -> Array:
        """Coordinates ``(n, 2) float32`` of features ``x : (n, d)``."""
        return self.among(self.projection(x))

    def among(self, z: Array) -> Array:
        """Coordinates ``(n, 2) float32`` of rows ``z : (n, p)`` that are projected already; 2 n m p flops."""
        distance, index = nearest(z, self.z, min(PULLING, len(self.z)))
        xy = np.empty((len(z), 2), np.float32)
        settle(distance, index, self.xy, self.scale, xy)
        return xy


def _scale(xy: Array) -> float:
    """The median distance to the `REACH`-th neighbour on the map; 1 where points lie upon each other."""
    points = np.asarray(xy[:SCALED_ROWS], np.float64)
    everything = np.asarray(xy, np.float64)
    reach = min(REACH, len(xy) - 1)
    if reach < 1:
        return 1.0
    distance, _ = nearest(points, everything, reach, np.arange(len(points)))
    return float(np.sqrt(np.median(distance[:, -1]))) or 1.0


@numba.njit(
    numba.void(
        numba.float32[:, ::1], numba.int64[:, ::1], numba.types.Array(numba.float32, 2, "C", readonly=True),
        numba.float64, numba.float32[:, ::1],
    ),
    nogil=True,
    cache=True,
)  # fmt: skip
def settle(distance, index, xy, scale, out):
    """Write the place of each row, from its nearest ``index : (n, k)`` and their squared ``distance``, into ``out``."""
    k = distance.shape[1]
    weight, px, py = np.empty(k), np.empty(k), np.empty(k)
    narrow = 1.0 / (scale * scale)
    for i in range(len(index)):
        farthest = np.float64(distance[i, k - 1])
        for a in range(k):
            weight[a] = 1.0 - distance[i, a] / farthest if farthest > distance[i, 0] else 1.0
            px[a], py[a] = xy[index[i, a], 0], xy[index[i, a], 1]
        best, least = 0, np.inf
        for a in range(k):
            cost = 0.0
            for b in range(k):
                cost += weight[b] * np.log1p(((px[a] - px[b]) ** 2 + (py[a] - py[b]) ** 2) * narrow)
            if cost < least:
                best, least = a, cost
        x, y = px[best], py[best]
        for _ in range(STEPS):
            total, sum_x, sum_y = 0.0, 0.0, 0.0
            for a in range(k):
                pull = weight[a] / (1.0 + ((x - px[a]) ** 2 + (y - py[a]) ** 2) * narrow)
                total += pull
                sum_x += pull * px[a]
                sum_y += pull * py[a]
            x, y = sum_x / total, sum_y / total
        out[i, 0], out[i, 1] = x, y

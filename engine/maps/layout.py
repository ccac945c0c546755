"""What the layouts of UMAP and t-SNE begin from: exact neighbours, and the first two principal coordinates.

Beginning there rather than at random or at a spectral embedding keeps the large shape of the data, and works for sets
of few rows and of several parts, where a spectral one fails.

References
----------
Kobak and Linderman (2021), "Initialization is critical for preserving global data structure in both t-SNE and UMAP".
"""

import numpy as np

from gapscope.core.random import stream
from gapscope.maps.nearest import nearest

Array = np.ndarray
# Noise beside the first coordinate, so that equal rows can part.
JITTER = 0.01


def neighbours_of(z: Array, k: int) -> tuple[Array, Array]:
    """Indices ``(m, k) int64`` and distances ``(m, k) float32`` of the other rows nearest to each of ``z : (m, p)``."""
    squared, index = nearest(z, z, k, np.arange(len(z)))
    return index, np.sqrt(squared)


def beginning(z: Array, spread: float, seed: int) -> Array:
    """The first two of ``z : (m, p)`` with a standard deviation of `spread` along the first, jittered, ``(m, 2)``."""
    first = np.pad(z[:, :2].astype(np.float64), ((0, 0), (0, max(0, 2 - z.shape[1]))))
    first *= 1 / max(first[:, 0].std(), np.finfo(np.float32).tiny)
    return spread * (first + JITTER * stream(seed, "map", "beginning").standard_normal(first.shape))


def whole_seed(seed: int, name: str) -> int:
    """A seed as the libraries take it."""
    return int(stream(seed, "map", name).integers(2**31))

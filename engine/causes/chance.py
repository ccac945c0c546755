"""How far apart two sets would seem by chance: the distance between random halves of all their rows."""

from typing import NamedTuple

import numpy as np

Array = np.ndarray
EXCHANGES = 1000


class Exchanged(NamedTuple):
    """The squared discrepancy of two sets, its standard deviation were they samples of one population, and how
    probable one so large is then.
    """

    distance: float
    deviation: float
    p: float


def exchanged(values: Array, different: Array, rng: np.random.Generator) -> Exchanged:
    """By a thousand random exchanges of rows.

    Parameters
    ----------
    values : (n + m, n + m)
        Of the kernel for all pairs of rows, those of the first set before those of the second.
    different : (n, m)
        Which pairs of a row of either set are of different images.
    """
    n, m = different.shape
    counted = 1 - np.eye(n + m)
    counted[:n, n:], counted[n:, :n] = different, different.T
    values = values * counted
    sides = np.concatenate([np.ones(n), np.zeros(m)])
    orders = np.stack([sides, *(rng.permutation(sides) for _ in range(EXCHANGES))])
    means = [_means(one, orders, counted, values) for one in ((1, 1), (0, 0), (1, 0))]
    distances = means[0] + means[1] - 2 * means[2]
    deviation = float(distances[1:].std())
    return Exchanged(float(distances[0]), deviation, float(np.mean(distances >= distances[0] - 1e-15)))


def _means(which: tuple[int, int], orders: Array, counted: Array, values: Array) -> Array:
    """Mean value of the pairs of two sides, for each of the ``orders : (k, n + m)``."""
    one, other = (orders if side else 1 - orders for side in which)
    pairs = np.einsum("ki,ki->k", one @ counted, other)
    return np.einsum("ki,ki->k", one @ values, other) / np.maximum(pairs, 1)

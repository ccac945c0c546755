"""How far the difference of two observed shares may be from the truth."""

from statistics import NormalDist

import numpy as np

from gapscope.inference.interval import LEVEL

Pair = tuple[np.ndarray, np.ndarray]


def newcombe(right: Pair, rows: Pair, level: float = LEVEL) -> Pair:
    """Interval of ``right[0] / rows[0] - right[1] / rows[1]`` for independent samples; arrays of one shape.

    Without rows on a side the share may be anything between 0 and 1.

    References
    ----------
    Newcombe (1998), "Interval estimation for the difference between independent proportions", method 10.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    (a, low_a, high_a), (b, low_b, high_b) = (_wilson(r, n, z) for r, n in zip(right, rows, strict=True))
    below = np.hypot(a - low_a, high_b - b)
    above = np.hypot(high_a - a, b - low_b)
    return a - b - below, a - b + above


def _wilson(right: np.ndarray, rows: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share, and Wilson's interval of it."""
    n = np.asarray(rows, np.float64)
    share = np.divide(right, n, out=np.full(np.broadcast(right, n).shape, 0.5), where=n > 0)
    middle = (share * n + z * z / 2) / (n + z * z)
    half = z * np.sqrt(share * (1 - share) * n + z * z / 4) / (n + z * z)
    return share, middle - half, middle + half

"""Covariances of few rows, drawn towards a sphere so that they can be inverted."""

import numpy as np

Array = np.ndarray


def oas_share(covariance: Array, n: int) -> float:
    """Share of the sphere in the covariance of `n` rows, 0 to 1: the oracle approximating shrinkage.

    Needs nothing but ``covariance : (d, d)`` with ddof 0, so one pass over the rows is enough (Ledoit and Wolf's
    estimate takes two). 1 where nothing varies. Equal to ``sklearn.covariance.oas``.

    References
    ----------
    Chen, Wiesel, Eldar and Hero (2010), "Shrinkage algorithms for MMSE covariance estimation".
    """
    d = len(covariance)
    square, level = float(np.mean(covariance**2)), float(np.trace(covariance)) / d
    denominator = (n + 1) * (square - level**2 / d)
    return min((square + level**2) / denominator, 1.0) if denominator > 0 else 1.0


def shrunk(covariance: Array, share: float) -> Array:
    """``(1 - share) covariance + share * mean variance * identity``, ``(d, d)``."""
    level = np.trace(covariance) / len(covariance)
    return (1 - share) * covariance + share * level * np.eye(len(covariance))

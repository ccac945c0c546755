"""Ridge regression of a target's labels on its features, with the penalty that predicts rows that were left out best.

Leaving a row out costs nothing here: of a linear fit ``H y`` the residual of a row that was not in the fit is its
residual over ``1 - h``. So all rows train and all rows choose, which a few hundred rows need; of held-out rows, a fifth
of them would choose.

References
----------
Allen (1974), "The relationship between variable selection and data augmentation and a method for prediction": PRESS.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

Array = np.ndarray
# Penalties in units of the mean eigenvalue of the features' covariance, strong to weak.
PENALTIES = np.geomspace(1e3, 1e-4, 15)
# Numbers in features and scores, eigenvalues, and products of rows, axes and classes, at most.
MOST_NUMBERS, MOST_EIGENVALUES, MOST_PRODUCTS = 3 * 10**7, 2048, 5 * 10**9


def rows_for(dim: int, classes: int) -> int:
    """Rows that are used at most: some seconds, and 240 MB."""
    axes = min(dim, MOST_EIGENVALUES)
    most = MOST_EIGENVALUES if dim > MOST_EIGENVALUES else MOST_NUMBERS
    return max(min(most, MOST_NUMBERS // (dim + 4 * classes), MOST_PRODUCTS // (axes * classes)), 1)


class TargetRidge(NamedTuple):
    """A linear head ``scores = start + (x - origin) weight + level``; picklable.

    Attributes
    ----------
    origin, weight, level
        ``(d,)``, ``(d, k)`` and ``(k,)``.
    hits
        Share of the rows that are right when each is left out, optimistic by the choice among penalties.
    """

    origin: Array
    weight: Array
    level: Array
    hits: float

    @classmethod
    def fit(cls, x: Array, y: Array, classes: int, start: Array | None = None) -> "TargetRidge":
        """Of rows ``x : (n, d)`` with labels ``y : (n,)``, on top of the scores ``start : (n, k)`` of another model."""
        origin = x.mean(axis=0, dtype=np.float64)
        z = x - origin
        scale = np.sqrt(np.square(z).mean(axis=0))
        z = np.divide(z, scale, out=np.zeros_like(z), where=scale > 0)
        before = np.zeros((len(y), classes)) if start is None else start
        wanted = np.eye(classes)[y] - before
        level = wanted.mean(axis=0)
        basis, values = _principal(z)
        along = basis.T @ (wanted - level)
        best, hits = _penalty(basis, values, along, wanted, level, before, y)
        weight = z.T @ (basis @ (along / (values + best)[:, None]))
        up = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
        return cls(origin, weight * up[:, None], level, hits)

    def scores(self, x: Array, start: Array | float = 0.0) -> Array:
        """Scores ``(n, k)``."""
        return start + (x - self.origin) @ self.weight + self.level


def _principal(z: Array) -> tuple[Array, Array]:
    """Left singular vectors ``(n, r)`` and squared singular values of `z`, without those that are rounding."""
    n, d = z.shape
    if n <= d:
        values, basis = eigh(z @ z.T)
    else:
        values, axes = eigh(z.T @ z)
        basis = z @ axes / np.sqrt(np.maximum(values, 1e-300))
    kept = values > 1e-9 * max(values.max(initial=0), 1e-300)
    return basis[:, kept], values[kept]


def _penalty(
    basis: Array, values: Array, along: Array, wanted: Array, level: Array, before: Array, y: Array
) -> tuple[float, float]:
    """The penalty under which most rows are right when left out, of equals the strongest, and their share."""
    best, most = float("inf"), float(((before + level).argmax(axis=1) == y).mean())
    squares = np.square(basis)
    for penalty in PENALTIES * (values.mean() if len(values) else 1.0):
        kept = values / (values + penalty)
        leverage = np.minimum(squares @ kept + 1 / len(y), 1 - 1e-9)
        left_out = wanted - (wanted - level - basis @ (kept[:, None] * along)) / (1 - leverage)[:, None]
        hits = float(((before + left_out).argmax(axis=1) == y).mean())
        if hits > most:
            best, most = float(penalty), hits
    return best, most

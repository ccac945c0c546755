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
    """Rows that are used at most: some seconds, and less than a gigabyte; see `ridge_bytes`."""
    axes = min(dim, MOST_EIGENVALUES)
    most = MOST_EIGENVALUES if dim > MOST_EIGENVALUES else MOST_NUMBERS
    return max(min(most, MOST_NUMBERS // (dim + 4 * classes), MOST_PRODUCTS // (axes * classes)), 1)


def ridge_bytes(rows: int, dim: int, classes: int) -> int:
    """What a regression of some rows takes: them, as they are centred, along their axes, and their squares in half the
    precision; and six arrays of their scores.
    """
    return min(rows, rows_for(dim, classes)) * (28 * dim + 48 * classes)


class Principal(NamedTuple):
    """Rows in coordinates where their scatter is diagonal, features in units of their deviation; made once for all that
    is regressed on them.

    Attributes
    ----------
    origin, unit : (d,)
        What is subtracted from the features, and what they are multiplied by then; nought for a constant one.
    basis : (n, r)
        Left singular vectors, without those that are rounding.
    values : (r,)
        Squared singular values.
    back : (d, r)
        From these coordinates to weights of the features.
    """

    origin: Array
    unit: Array
    basis: Array
    values: Array
    back: Array

    @classmethod
    def of(cls, x: Array) -> "Principal":
        """Of rows ``x : (n, d)``: the eigenvectors of the smaller of their two matrices of products."""
        origin = x.mean(axis=0, dtype=np.float64)
        z = x - origin
        deviation = np.sqrt(np.square(z).mean(axis=0))
        unit = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        z *= unit
        n, d = z.shape
        values, vectors = eigh(z @ z.T if n <= d else z.T @ z)
        kept = values > 1e-9 * max(values.max(initial=0), 1e-300)
        values, vectors = values[kept], vectors[:, kept]
        other = (z.T if n <= d else z) @ vectors
        if n <= d:
            return cls(origin, unit, vectors, values, unit[:, None] * other)
        other /= np.sqrt(values)
        return cls(origin, unit, other, values, unit[:, None] * vectors * np.sqrt(values))


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
    def fit(cls, rows: Principal, y: Array, classes: int, start: Array | None = None) -> "TargetRidge":
        """Of rows with labels ``y : (n,)``, on top of the scores ``start : (n, k)`` of another model."""
        before = np.zeros((len(y), classes)) if start is None else start
        wanted = np.eye(classes)[y] - before
        level = wanted.mean(axis=0)
        along = rows.basis.T @ (wanted - level)
        best, hits = _penalty(rows, along, wanted - level, y)
        most = float(((before + level).argmax(axis=1) == y).mean())
        if most >= hits:
            best, hits = float("inf"), most
        return cls(rows.origin, rows.back @ (along / (rows.values + best)[:, None]), level, hits)

    def scores(self, x: Array, start: Array | float = 0.0) -> Array:
        """Scores ``(n, k)``."""
        return start + (x - self.origin) @ self.weight + self.level


def _penalty(rows: Principal, along: Array, wanted: Array, y: Array) -> tuple[float, float]:
    """The penalty under which most rows are right when left out, of equals the strongest, and their share.

    With the leverage ``h`` and the residual ``e`` of a row, its score without itself is ``-e / (1 - h)``, and one more
    for its own class. What no penalty changes of both is subtracted once, so that neither loses digits.
    """
    at, basis = np.arange(len(y)), rows.basis.astype(np.float32)
    squares = np.square(basis)
    apart = (wanted - rows.basis @ along).astype(np.float32)
    alone = np.maximum(1 - 1 / len(y) - np.einsum("nr,nr->n", rows.basis, rows.basis), 0)
    best, most = float("inf"), -1.0
    for penalty in PENALTIES * (rows.values.mean() if len(rows.values) else 1.0):
        lost = penalty / (rows.values + penalty)
        left = basis @ (lost[:, None] * along).astype(np.float32)
        left += apart
        left[at, y] -= np.maximum(alone + squares @ lost.astype(np.float32), 1e-9).astype(np.float32)
        hits = float((left.argmin(axis=1) == y).mean())
        if hits > most:
            best, most = float(penalty), hits
    return best, most

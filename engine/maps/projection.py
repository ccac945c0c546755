"""Linear maps from features to a few coordinates."""

from dataclasses import dataclass

import numpy as np

from gapscope.summaries import Moments

Array = np.ndarray
# Directions with less than this share of the largest variance are rounding.
NOTHING = 1e-10


@dataclass(frozen=True, eq=False)
class Projection:
    """Coordinates ``(x - origin) @ basis``.

    Attributes
    ----------
    origin : (d,) float32
    basis : (d, k) float32
    variance : (k,) float64
        Of all rows along each coordinate.
    """

    origin: Array
    basis: Array
    variance: Array

    @classmethod
    def of(cls, moments: Moments, basis: Array, origin: Array | None = None) -> "Projection":
        """Onto the columns of ``basis : (d, k)``, from the mean of all rows where no origin is given."""
        basis = with_signs(basis)
        origin = moments.mean if origin is None else origin
        spread = np.einsum("dk,de,ek->k", basis, moments.covariance(ddof=0), basis, optimize=True)
        return cls(origin.astype(np.float32), np.ascontiguousarray(basis, np.float32), spread)

    def __call__(self, x: Array) -> Array:
        """Coordinates ``(n, k) float32`` of ``x : (n, d)``; 2 n d k flops."""
        return (x - self.origin) @ self.basis


def with_signs(basis: Array) -> Array:
    """The columns of ``basis : (d, k)`` with their largest entry positive, as an eigenvector's sign is arbitrary."""
    largest = np.take_along_axis(basis, np.abs(basis).argmax(axis=0)[None], axis=0)
    return basis * np.where(largest < 0, -1.0, 1.0)


def principal(moments: Moments, most: int) -> Projection:
    """Onto the at most `most` directions of largest variance, largest first; those without variance are left out.

    One eigendecomposition, O(d³). Equal to scikit-learn's ``PCA`` up to signs.
    """
    values, vectors = np.linalg.eigh(moments.covariance(ddof=0))
    values, vectors = values[::-1][:most], vectors[:, ::-1][:, :most]
    return Projection.of(moments, vectors[:, values > max(values[0] * NOTHING, _rounding(moments))])


def _rounding(moments: Moments) -> float:
    """Variance that float32 features may seem to have where they have none."""
    return float((np.finfo(np.float32).eps * np.abs(moments.mean).max(initial=0)) ** 2)


def in_two(projection: Projection) -> Projection:
    """The same with exactly two coordinates: the first two, or noughts where there are not so many."""
    basis, variance = projection.basis[:, :2], projection.variance[:2]
    missing = 2 - basis.shape[1]
    return Projection(projection.origin, np.pad(basis, ((0, 0), (0, missing))), np.pad(variance, (0, missing)))


def leading_beside(covariance: Array, direction: Array) -> Array:
    """The direction ``(d,)`` of length one with the largest variance among those at right angles to `direction`;
    noughts where there is none.
    """
    unit = direction / np.linalg.norm(direction)
    across = np.eye(len(unit)) - np.outer(unit, unit)
    values, vectors = np.linalg.eigh(across @ covariance @ across)
    return vectors[:, -1] if values[-1] > NOTHING * max(np.trace(covariance), 0) else np.zeros(len(unit))

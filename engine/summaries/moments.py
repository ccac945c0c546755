"""Counts, means and sums of squared deviations, of all rows and of each class.

All of them accumulate in float64 whatever the input, and centre before they square: the textbook ``E[xx'] - mean
mean'`` cancels catastrophically for features far from the origin. Two summaries of disjoint row sets merge into the
summary of their union, in any order and any grouping (equal up to rounding).

References
----------
Chan, Golub and LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample variances", Stanford
STAN-CS-79-773.
"""

from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError

Array = np.ndarray
UNLABELLED = -1


class Moments(NamedTuple):
    """Count, mean and scatter of the rows seen so far.

    Attributes
    ----------
    n
        Number of rows; of weighted ones, the sum of their weights.
    mean : (d,) float64
        Zero where there are no rows.
    scatter : (d, d) float64
        Sum over rows of ``outer(x - mean, x - mean)``.
    """

    n: float
    mean: Array
    scatter: Array

    @classmethod
    def of(cls, x: Array, weight: Array | None = None) -> "Moments":
        """Moments of ``x : (n, d)``, a row counting as ``weight : (n,) > 0`` rows. Costs ``n d²`` flops: NumPy computes
        half of a product of a matrix with itself.
        """
        centred = np.array(x, np.float64)
        mean = np.average(centred, axis=0, weights=weight) if len(centred) else np.zeros(centred.shape[1])
        centred -= mean
        if weight is None:
            return cls(len(centred), mean, centred.T @ centred)
        centred *= np.sqrt(weight)[:, None]
        return cls(float(weight.sum()), mean, centred.T @ centred)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both row sets together."""
        n = self.n + other.n
        share = other.n / n if n else 0.0
        delta = other.mean - self.mean
        between = np.outer(delta, delta * (self.n * share))
        return Moments(n, self.mean + delta * share, self.scatter + other.scatter + between)

    def covariance(self, ddof: int = 1) -> Array:
        """``scatter / (n - ddof) : (d, d)``.

        Raises
        ------
        InputError
            There are not more than `ddof` rows.
        """
        return self.scatter / _divisor(self.n, ddof)

    def variance(self, ddof: int = 1) -> Array:
        """The diagonal of `covariance`, ``(d,)``."""
        return np.diagonal(self.scatter) / _divisor(self.n, ddof)


def _divisor(n: float, ddof: int) -> float:
    if n <= ddof:
        raise InputError(f"a covariance with ddof {ddof} needs at least {ddof + 1} rows, there are {n}")
    return n - ddof


class ClassMeans(NamedTuple):
    """Count and mean of the rows of each class. Rows labelled -1 belong to no class and are counted apart.

    Attributes
    ----------
    count : (C,) int64 or float64
        Of weighted rows, the sums of their weights.
    mean : (C, d) float64
        Zero where a class has no rows.
    unlabelled
        Number of rows labelled -1.
    """

    count: Array  # type: ignore[assignment]  # hides the method of tuples
    mean: Array
    unlabelled: int

    @classmethod
    def of(cls, x: Array, y: Array, classes: int, weight: Array | None = None) -> "ClassMeans":
        """Means of ``x : (n, d)`` by ``y : (n,)`` in -1…classes-1, a row counting as ``weight : (n,) > 0`` rows."""
        y = np.asarray(y)
        count = _counts(y, classes, weight)
        mean = _sums(x, y, classes, weight) / _nonzero(count)[:, None]
        return cls(count, mean, int((y == UNLABELLED).sum()))

    def merge(self, other: "ClassMeans") -> "ClassMeans":
        """Means of both row sets together."""
        count, share = _shares(self.count, other.count)
        mean = other.mean - self.mean
        mean *= share[:, None]
        mean += self.mean
        return ClassMeans(count, mean, self.unlabelled + other.unlabelled)

    @property
    def n(self) -> float:
        """Number of labelled rows; of weighted ones, the sum of their weights."""
        return float(self.count.sum()) if self.count.dtype.kind == "f" else int(self.count.sum())

    def between_scatter(self) -> Array:
        """Scatter ``(d, d)`` that the rows would have if each stood at its class mean."""
        present = self.count > 0
        count, mean = self.count[present], self.mean[present]
        if not count.size:
            return np.zeros((self.mean.shape[1],) * 2)
        centred = (mean - np.average(mean, axis=0, weights=count)) * np.sqrt(count)[:, None]
        return centred.T @ centred


class ClassMoments(NamedTuple):
    """Count, mean and diagonal sum of squared deviations of the rows of each class.

    Rows labelled -1 belong to no class and are counted apart.

    Attributes
    ----------
    count : (C,) int64 or float64
        Of weighted rows, the sums of their weights.
    mean : (C, d) float64
        Zero where a class has no rows.
    squares : (C, d) float64
        Sum over the rows of a class of ``(x - mean)²``.
    unlabelled
        Number of rows labelled -1.
    """

    count: Array  # type: ignore[assignment]  # hides the method of tuples
    mean: Array
    squares: Array
    unlabelled: int

    @classmethod
    def of(cls, x: Array, y: Array, classes: int, weight: Array | None = None) -> "ClassMoments":
        """Class moments of ``x : (n, d)`` by ``y : (n,)`` in -1…classes-1, a row counting as ``weight : (n,) > 0``."""
        means = ClassMeans.of(x, y, classes, weight)
        squares = _sums(x, np.asarray(y), classes, weight, means.mean)
        return cls(means.count, means.mean, squares, means.unlabelled)

    def merge(self, other: "ClassMoments") -> "ClassMoments":
        """Class moments of both row sets together."""
        count, share = _shares(self.count, other.count)
        delta = other.mean - self.mean
        between = np.square(delta) * (self.count * share)[:, None]
        return ClassMoments(
            count,
            self.mean + delta * share[:, None],
            self.squares + other.squares + between,
            self.unlabelled + other.unlabelled,
        )

    def variance(self, ddof: int = 1) -> Array:
        """Variance of each feature within each class, ``(C, d)``; NaN where a class has not more than `ddof` rows."""
        divisor = np.where(self.count > ddof, self.count - ddof, np.nan)
        return self.squares / divisor[:, None]


def _shares(count: Array, other: Array) -> tuple[Array, Array]:
    total = count + other
    return total, other / _nonzero(total)


def _nonzero(count: Array) -> Array:
    """The counts, one where there is none, to divide by."""
    return np.where(count > 0, count, 1)


def _counts(y: Array, classes: int, weight: Array | None) -> Array:
    """Rows of each class, ``(classes,) int64``, or the sums of their weights, float64.

    Raises
    ------
    InputError
        A label is outside -1…classes-1.
    """
    if y.size and not UNLABELLED <= y.min() <= y.max() < classes:
        wrong = y[(y < UNLABELLED) | (y >= classes)][0]
        raise InputError(f"label {wrong} is outside 0…{classes - 1}; use {UNLABELLED} for rows without a label")
    known = y != UNLABELLED
    if weight is None:
        return np.bincount(y[known], minlength=classes).astype(np.int64)
    return np.bincount(y[known], weight[known], minlength=classes)


def _sums(x: Array, y: Array, classes: int, weight: Array | None, mean: Array | None = None) -> Array:
    """Weighted sum of the rows of each class, ``(classes, d)``, or of their squared deviations from ``mean : (classes,
    d)``.
    """
    from gapscope.summaries.by_class import add_rows, add_squares  # here, because `--help` passes this module

    x = np.ascontiguousarray(x, np.float32 if np.asarray(x).dtype == np.float32 else np.float64)
    result = np.zeros((classes, x.shape[1]))
    rows = (x, np.asarray(y, np.int64), np.ones(len(y)) if weight is None else np.asarray(weight, np.float64))
    if mean is None:
        add_rows(*rows, result)
    else:
        add_squares(*rows, mean, result)
    return result

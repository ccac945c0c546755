"""Tests of small sets by exchanging their rows: right for any distribution, and never surer than so few rows can be.

Laws of normal samples hold for means of many rows; a variance of few, or of rows with heavy tails, has no such law. By
them 30 of 40 pairs of samples of two rows and 16 features differed.
"""

from collections.abc import Callable, Iterator
from math import comb

import numpy as np

from gapscope.core.random import stream
from gapscope.shifts.battery import Pair, Side

Array = np.ndarray
Sums = tuple[Array, Array]
# Sets of fewer rows are small, or very small; of the other one, which may be large, so many rows are exchanged.
SMALL, FEW, MOST = 80, 20, 300
EXCHANGES, TOGETHER = 1999, 250
# Directions along which rows lie less than this share as far as along the longest are rounding.
RANK = 1e-6


def is_small(pair: Pair, rows: int = SMALL) -> bool:
    """Whether a set has fewer `rows`, so that a test should exchange them."""
    return min(pair.reference.n, pair.target.n) < rows


def judged(by_law: Array | float, by_exchanges: Array | float) -> Array:
    """The p-value by exchanges; where none of them gave as much, the smaller one by the law of many rows."""
    return np.where(np.less_equal(by_exchanges, 1 / EXCHANGES), np.minimum(by_law, by_exchanges), by_exchanges)


def least_p(n: int, m: int) -> float:
    """The smallest p-value that a test which exchanges the rows of two sets of so many can give: one that looks in both
    directions has its value again where as many rows change sides. 0 of many rows.
    """
    return (1 + (n == m)) / comb(n + m, n) if n + m < SMALL else 0.0


def mean_p(pair: Pair) -> float:
    """Of the length of the difference of means, each feature in its deviation over both sets."""
    return _p(*_scaled(pair), pair.options.seed, _length)


def mahalanobis_p(pair: Pair) -> float:
    """Of that length in units of the spread along its own direction, which is monotone in Hotelling's statistic."""
    x, first = _scaled(pair)
    directions, sizes, _ = np.linalg.svd(x, full_matrices=False)
    return _p(directions[:, sizes > RANK * sizes.max(initial=0.0)], first, pair.options.seed, _length)


def variance_p(pair: Pair) -> float:
    """Of the largest ratio of variances of a feature, in units of its error."""
    x, first = _scaled(pair)
    kurtosis = np.maximum((x**4).mean(axis=0), 1.0)
    error = np.sqrt((kurtosis - 1) * (1 / first + 1 / (len(x) - first)) + 2 * (first**-2.0 + (len(x) - first) ** -2.0))

    def largest(one: Sums, other: Sums) -> Array:
        variances = [np.maximum(square - mean**2, 0.0) for mean, square in (one, other)]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.abs(np.log(variances[0]) - np.log(variances[1])) / error
        return np.nan_to_num(ratio, nan=0.0, posinf=np.inf).max(axis=1, initial=0.0)

    return _p(x, first, pair.options.seed, largest)


def class_p(pair: Pair) -> Array:
    """Of the length of the difference of the means of each class, ``(c,)``, each feature in its deviation over the rows
    of the class in both sets; NaN of a class that a set lacks.
    """
    result = np.full(len(pair.reference.classes.count), np.nan)
    (x, y), (more, other) = _rows(pair.reference), _rows(pair.target)
    for index in np.intersect1d(y[y >= 0], other[other >= 0]):
        rows = _standardised(np.concatenate([x[y == index], more[other == index]]))
        result[index] = _p(rows, int((y == index).sum()), pair.options.seed, _length)
    return result


def _rows(side: Side) -> tuple[Array, Array]:
    x, y = side.sample
    return x[:MOST].astype(np.float64), y[:MOST]


def _scaled(pair: Pair) -> tuple[Array, int]:
    """The rows of both sets, each feature with mean 0 and variance 1, and how many are the first set's."""
    x, more = (_rows(side)[0] for side in (pair.reference, pair.target))
    return _standardised(np.concatenate([x, more])), len(x)


def _standardised(x: Array) -> Array:
    x = x - x.mean(axis=0)
    spread = x.std(axis=0)
    return x / np.where(spread > 0, spread, 1.0)


def _length(one: Sums, other: Sums) -> Array:
    return np.square(one[0] - other[0]).sum(axis=1)


def _p(x: Array, first: int, seed: int, statistic: Callable[[Sums, Sums], Array]) -> float:
    """The share of divisions of the rows ``x : (n, d)`` into `first` of them and the others whose `statistic`, of means
    and mean squares ``(r, d)`` of either side, is as large as that of the division there is.
    """
    values = np.concatenate([statistic(*one) for one in _divided(x, first, seed)])
    return float(np.mean(values >= values[0] * (1 - 1e-9)))


def _divided(x: Array, first: int, seed: int) -> Iterator[tuple[Sums, Sums]]:
    """Means and mean squares of both sides: as the rows stand, and exchanged at random."""
    rng, n = stream(seed, "shift", "exchanges"), len(x)
    sides = np.zeros((TOGETHER, n))
    sides[:, :first] = 1.0
    total, squares = x.sum(axis=0), np.square(x)
    for start in range(0, EXCHANGES + 1, TOGETHER):
        mine = rng.permuted(sides, axis=1)
        if not start:
            mine[0] = sides[0]
        sums, of_squares = mine @ x, mine @ squares
        yield (
            (sums / first, of_squares / first),
            ((total - sums) / (n - first), (squares.sum(axis=0) - of_squares) / (n - first)),
        )

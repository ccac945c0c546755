"""How sure a number is that was averaged over images and over trainings: other images and other seeds would move it.

Every seed classifies every image, so predictions are not independent: images are hard for all seeds alike, and a seed
is better or worse on all images. Both are taken as samples of many, as readers and cases are in studies of diagnosis.
Counting ``images x seeds`` as so many independent predictions would make every interval too narrow; the spread over
three seeds alone would leave out that other images may be drawn.

References
----------
Dorfman, Berbaum and Metz (1992), "Receiver operating characteristic rating analysis: generalization to the population
of readers and patients". Hillis (2007), "A comparison of denominator degrees of freedom methods for multiple observer
ROC analysis": the degrees of freedom.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from gapscope.inference import clopper_pearson, mcnemar, paired_interval
from gapscope.inference.interval import LEVEL


class StandardError(NamedTuple):
    """Standard error of a mean over images and seeds, and its degrees of freedom."""

    error: float
    degrees: float


class Estimate(NamedTuple):
    """A number, its 95 % interval, and the two-sided p-value of its being what it would be if nothing were there."""

    value: float
    low: float
    high: float
    p: float


def standard_error(influence: np.ndarray) -> StandardError:
    """That of the mean of ``influence : (n, s)``, n >= 2 images by s seeds; for one seed, over images alone.

    The variance is ``(MS_seeds + max(MS_images - MS_rest, 0)) / (n s)`` from the two-way table of mean squares, where
    MS_seeds is MS_rest at least: few seeds may look more alike than predictions of one law can be.
    """
    n, s = influence.shape
    by_image, by_seed = influence.mean(axis=1), influence.mean(axis=0)
    if s == 1:
        return StandardError(float(np.sqrt(by_image.var(ddof=1) / n)), n - 1)
    rest = influence - by_image[:, None] - by_seed + influence.mean()
    left = np.square(rest).sum() / ((n - 1) * (s - 1))
    images, seeds = s * by_image.var(ddof=1), max(n * by_seed.var(ddof=1), left)
    total = seeds + max(images - left, 0.0)
    degrees = (s - 1) * (total / seeds) ** 2 if seeds > 0 else np.inf
    return StandardError(float(np.sqrt(total / (n * s))), float(degrees))


def estimated(value: float, influence: np.ndarray, null: float = 0.0) -> Estimate:
    """A `value` that moves by the mean of ``influence : (n, s)`` when images or seeds change, tested against `null`.

    For a mean the influence of a value is the value itself; for a ratio of means it is that of its linearisation.
    """
    error, degrees = standard_error(influence)
    half = float(stdtrit(degrees, (1 + LEVEL) / 2)) * error
    return Estimate(value, value - half, value + half, _p(value - null, error, degrees, len(influence)))


def _p(away: float, error: float, degrees: float, n: int) -> float:
    if error == 0:  # all images say the same: as in a sign test
        return mcnemar(n if away else 0, 0)
    return float(2 * stdtr(degrees, -abs(away) / error))


def accuracy(right: np.ndarray) -> Estimate:
    """The mean of ``right : (n, s) bool``; the interval is exact for one seed, and p is left out."""
    if right.shape[1] == 1:
        count, n = int(right.sum()), len(right)
        return Estimate(count / n, *clopper_pearson(count, n), np.nan)
    return within(estimated(float(right.mean()), right.astype(np.float64)), 0.0)._replace(p=np.nan)


def within(estimate: Estimate, least: float) -> Estimate:
    """`estimate` with an interval that ends at `least` and 1."""
    return estimate._replace(low=max(estimate.low, least), high=min(estimate.high, 1.0))


def paired(one: np.ndarray, other: np.ndarray) -> Estimate:
    """How much more often `one` is right than `other` on the same images, ``(n, s) bool`` each; seeds go in pairs.

    For one seed the p-value is McNemar's.
    """
    change = one.astype(np.float64) - other
    estimate = within(estimated(float(change.mean()), change), -1.0)
    if one.shape[1] > 1:
        return estimate
    low, high = paired_interval(change[:, 0], (estimate.low, estimate.high))
    return estimate._replace(low=low, high=high, p=mcnemar(int((one & ~other).sum()), int((other & ~one).sum())))

"""How well the probability of a class ranks its own rows before all others, from histograms of constant size.

Within a bin the order is unknown. Each value comes with a bound on its distance from the value of the full list, which
follows from what the bin holds and not from an assumption.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import digamma

from gapscope.summaries.scores import ClassScores


class Bounded(NamedTuple):
    """Values ``(k,)`` of each class, NaN for a class that has no rows or all of them, and their error bounds."""

    value: np.ndarray
    error: np.ndarray

    def macro(self) -> float:
        """The mean over the classes that have a value; NaN without any."""
        return _mean(self.value)

    def macro_error(self) -> float:
        """What bounds the error of that mean."""
        return _mean(self.error)


def auroc(result: ClassScores) -> Bounded:
    """Area under the ROC curve of each class against the rest: the probability that a row of the class gets a higher
    score than another one. Pairs within a bin count one half, so that they may err by one half.

    References
    ----------
    Hanley and McNeil (1982), "The meaning and use of the area under a receiver operating characteristic (ROC) curve".
    """
    positive, negative = (part.astype(np.float64) for part in (result.positive, result.negative))
    below = np.cumsum(negative, axis=1) - negative
    pairs = _pairs(positive, negative)
    tied = (positive * negative).sum(axis=1) / pairs / 2
    return Bounded((positive * below).sum(axis=1) / pairs + tied, tied)


def average_precision(result: ClassScores) -> Bounded:
    """Average precision of each class against the rest, as scikit-learn defines it: the mean over the rows of the class
    of the precision among the rows with at least their score. Rows within a bin are taken as evenly mixed.
    """
    positive, negative = (part[:, ::-1].astype(np.float64) for part in (result.positive, result.negative))
    true, false = np.cumsum(positive, axis=1) - positive, np.cumsum(negative, axis=1) - negative
    total = np.where(_pairs(positive, negative) > 0, positive.sum(axis=1), np.nan)
    mixed = _precisions(true, false, positive, negative / (positive + 1))
    lowest = _precisions(true, false + negative, positive, 0.0)
    reached = true + positive
    highest = positive * reached / np.maximum(reached + false, 1)
    bounds = np.maximum(highest - mixed, mixed - lowest).sum(axis=1)
    return Bounded(mixed.sum(axis=1) / total, bounds / total)


def _precisions(true: np.ndarray, false: np.ndarray, count: np.ndarray, mixed: np.ndarray | float) -> np.ndarray:
    """``sum over i = 1…count of (true + i) / (true + i + false + i mixed)``."""
    step = 1 + mixed
    ahead = (true + false) / step
    return (count + (true - ahead) * (digamma(ahead + count + 1) - digamma(ahead + 1))) / step


def _pairs(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Pairs of a row of each class and another one, ``(k,)``; NaN where there is none."""
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return np.where(pairs > 0, pairs, np.nan)


def _mean(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else float("nan")

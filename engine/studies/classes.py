"""Which classes lose or gain beyond chance, in F1: the recall of a class rises when everything is predicted as it.

The change of each class is drawn towards the mean change as far as its noise demands, and is tested with control of the
share of false discoveries.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from gapscope.inference.interval import LEVEL
from gapscope.inference.multiplicity import adjusted
from gapscope.inference.shrunk import NORMAL, shrunk
from gapscope.studies.crossed import Estimate, estimated, standard_error, within


class Part(NamedTuple):
    """A number of one class, and how far it moves with each prediction, ``(n, s)``."""

    value: float
    influence: np.ndarray

    def less(self, other: "Part") -> "Part":
        """The difference of two numbers from the same images and seeds."""
        return Part(self.value - other.value, self.influence - other.influence)


class Changes(NamedTuple):
    """Changes of k classes, ``(k,)`` each; NaN for a class with fewer than two images.

    Attributes
    ----------
    raw, shrunk, low, high
        As observed; drawn towards the mean, with a 95 % interval.
    p
        Two-sided, of the change being none or, where that was asked, that of the mean class.
    """

    raw: np.ndarray
    shrunk: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def class_f1(label: np.ndarray, predicted: np.ndarray, index: int) -> Part:
    """F1 of one class, the mean over seeds, from ``label : (n,)`` and ``predicted : (n, s)``; 0 where it never occurs.

    F1 is ``2 a / (b + c)`` with a the correct predictions, b the images of the class and c the predictions of it; its
    linearisation is ``(2 a_i - F1 (b_i + c_i)) n / (b + c)`` for each image.
    """
    of_class = (label == index)[:, None]
    named = predicted == index
    total = of_class.sum() + named.sum(axis=0)
    value = np.divide(2.0 * (of_class & named).sum(axis=0), total, out=np.zeros(len(total)), where=total > 0)
    moved = 2.0 * (of_class & named) - value * (of_class.astype(np.float64) + named)
    mean = float(value.mean())
    return Part(mean, value - mean + moved * len(label) / np.maximum(total, 1))


def f1_estimate(part: Part) -> Estimate:
    """F1 with its interval, which ends at 0 and 1."""
    return within(estimated(*part), 0.0)._replace(p=np.nan)


def changes(label: np.ndarray, classes: int, part: Callable[[int], Part], *, against_mean: bool) -> Changes:
    """The changes ``part(index)`` of all classes, tested against that of the mean class or against none."""
    there = np.flatnonzero(np.bincount(label, minlength=classes) >= 2)
    parts = [part(index) for index in there.tolist()]
    raw = np.array([one.value for one in parts])
    least = 0.5 / np.bincount(label, minlength=classes)[there]  # half an image
    error = np.maximum([_normal_error(one.influence) for one in parts], least)
    columns = (raw, *shrunk(raw, error), _tested(parts, against_mean=against_mean))
    wide = np.full((len(columns), classes), np.nan)
    wide[:, there] = columns
    return Changes(*wide)


def _normal_error(influence: np.ndarray) -> float:
    """The standard error with which a normal interval is as wide as Student's."""
    error, degrees = standard_error(influence)
    return error * float(stdtrit(degrees, (1 + LEVEL) / 2)) / NORMAL


def _tested(parts: list[Part], *, against_mean: bool) -> np.ndarray:
    if not against_mean:
        return np.array([estimated(*one).p for one in parts])
    mean = Part(np.mean([one.value for one in parts]), sum(one.influence for one in parts) / len(parts))
    return np.array([estimated(*one.less(mean)).p for one in parts])


def discoveries(p: np.ndarray) -> np.ndarray:
    """p-values of any shape corrected together by Benjamini-Hochberg; NaN stays."""
    corrected = np.full(p.shape, np.nan)
    there = np.isfinite(p)
    corrected[there] = adjusted(p[there], "bh")
    return corrected

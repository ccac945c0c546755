"""What needs the probabilities of all classes: squared error, calibration and ranking of each class."""

from operator import add
from typing import NamedTuple

import numpy as np

from gapscope.summaries.calibration import BINS, bin_of

# Sixteen bins for each factor of two in p or 1 - p, down to 2^-40: about even in log-odds, read off the float's bits.
# Two bins of many classes: their histograms are made for every chunk of rows.
STEP_BITS, FEW_STEP_BITS, LOWEST = 4, 1, 40
FINE_CLASSES = 64
MANTISSA, BIAS = 23, 127


def rank_bins(classes: int) -> int:
    """How many bins the probabilities of a class are ranked by: 1250 of up to 64 classes, 158 of more."""
    return 2 * _half(_step_bits(classes))


def _step_bits(classes: int) -> int:
    return STEP_BITS if classes <= FINE_CLASSES else FEW_STEP_BITS


def _half(step_bits: int) -> int:
    return ((LOWEST - 1) << step_bits) + 1


class ClassScores(NamedTuple):
    """Sums over labelled rows of what their probabilities ``p : (n, k)`` say; those of disjoint row sets add up.

    State: 360 bytes a class, and where rows are ranked 10 KB a class, 1.3 KB a class of more than 64.

    Attributes
    ----------
    n
        Rows.
    squared
        Sum over rows of ``sum_c (p_c - [c is the label])²``.
    bins : (3, k, 15) float64
        Rows, rows of the class and the sum of its probabilities, by right-closed bins of that probability.
    positive, negative : (k, b) int32
        Rows of each class and of all others by its probability, ascending, in `rank_bins` bins; none where they are
        not ranked.
    """

    n: int
    squared: float
    bins: np.ndarray
    positive: np.ndarray
    negative: np.ndarray

    @classmethod
    def of(cls, log_probabilities: np.ndarray, label: np.ndarray, *, ranked: bool = True) -> "ClassScores":
        """Of rows with ``log_probabilities : (n, k)`` and labels in -1…k-1; 13 to 45 ns a row and class, 5 unranked."""
        known = label >= 0
        p, label = np.exp(log_probabilities[known]), label[known].astype(np.int64)
        rows, classes = np.arange(len(p)), log_probabilities.shape[1]
        squared = np.einsum("nk,nk->", p, p) - 2 * p[rows, label].sum() + len(p)
        histograms = _ranked(p, label) if ranked else (np.zeros((0, rank_bins(classes)), np.int32),) * 2
        return cls(len(p), float(squared), _class_bins(p, label, classes), *histograms)

    def merge(self, other: "ClassScores") -> "ClassScores":
        """Of both row sets."""
        return ClassScores(*map(add, self, other))


def _class_bins(p: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """Counted for the few probabilities above the first bin; what is left of each class's total lies in that one."""
    row, column = np.nonzero(p > 1 / BINS)
    size, value = classes * BINS, p[row, column]
    place = column * BINS + bin_of(value)
    hit = label[row] == column
    result = np.stack([np.bincount(place, part, size) for part in (np.ones(len(row)), hit, value)])
    result = result.reshape(3, classes, BINS)
    totals = np.stack([np.full(classes, len(p)), np.bincount(label, minlength=classes), p.sum(axis=0)])
    result[:, :, 0] = totals - result[:, :, 1:].sum(axis=2)
    return result


def rank_bin_of(p: np.ndarray, classes: int = 2) -> np.ndarray:
    """The bin of each probability among those that `rank_bins` of so many classes gives, ascending."""
    step_bits, small = _step_bits(classes), p < 0.5
    half = _half(step_bits)
    near = np.where(small, p, 1 - p).astype(np.float32)
    steps = (near.view(np.int32) >> (MANTISSA - step_bits)) - ((BIAS - LOWEST) << step_bits)
    steps = np.clip(steps, 0, half - 1)
    return np.where(small, steps, 2 * half - 1 - steps)


def _ranked(p: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    classes, bins = p.shape[1], rank_bins(p.shape[1])
    size, place = classes * bins, rank_bin_of(p, classes) + np.arange(classes) * bins
    everything = np.bincount(place.ravel(), minlength=size)
    positive = np.bincount(place[np.arange(len(p)), label], minlength=size)
    shape = (classes, bins)
    return positive.astype(np.int32).reshape(shape), (everything - positive).astype(np.int32).reshape(shape)

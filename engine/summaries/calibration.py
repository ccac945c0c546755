"""How sure a classifier is against how often it is right, counted by confidence."""

from typing import NamedTuple

import numpy as np

BINS = 15
# Bins of equal width in log(c / (1 - c)), fine enough to rank rows by: neighbours differ by 0.8 % in the odds.
FINE_PER_UNIT = 128
REACH = 18  # float32 confidences end at odds of about e^16.6
FINE = 2 * REACH * FINE_PER_UNIT
EDGES = np.arange(BINS + 1) / BINS


class Calibration(NamedTuple):
    """Rows, right answers and summed confidence, by bins of confidence; those of disjoint row sets add up.

    State: 111 KB.

    Attributes
    ----------
    bins : (3, 15) float64
        Rows, right answers and the sum of confidences in 15 bins of equal width, closed on the right: a confidence of
        exactly 1/15 lies in the first.
    fine : (3, 4608) float64
        The same in bins of equal width in log-odds, ascending.
    """

    bins: np.ndarray
    fine: np.ndarray

    @classmethod
    def of(cls, confidence: np.ndarray, right: np.ndarray, weight: np.ndarray | None = None) -> "Calibration":
        """Of rows with ``confidence : (n,)``, taken as float32 as it is stored, ``right : (n,) bool``, and a weight."""
        confidence = np.asarray(confidence, np.float32).astype(np.float64)
        weight = np.ones(len(confidence)) if weight is None else np.asarray(weight, np.float64)
        return cls(*(_counted(bins, size, confidence, right, weight)
                     for bins, size in ((bin_of(confidence), BINS), (fine_bin_of(confidence), FINE))))  # fmt: skip

    @classmethod
    def none(cls) -> "Calibration":
        """Of no row."""
        return cls(np.zeros((3, BINS)), np.zeros((3, FINE)))

    def merge(self, other: "Calibration") -> "Calibration":
        """Of both row sets."""
        return Calibration(self.bins + other.bins, self.fine + other.fine)


def bin_of(confidence: np.ndarray) -> np.ndarray:
    """The right-closed bin 0…14 of each confidence in 0…1."""
    return np.clip(np.searchsorted(EDGES, confidence, side="left") - 1, 0, BINS - 1)


def fine_bin_of(confidence: np.ndarray) -> np.ndarray:
    """The bin of equal width in log-odds, 0…4607, of each confidence."""
    with np.errstate(divide="ignore"):
        odds = np.log(confidence) - np.log1p(-np.minimum(confidence, 1.0))
    return np.floor((np.clip(odds, -REACH, REACH - 1e-9) + REACH) * FINE_PER_UNIT).astype(np.int64)


def _counted(bins: np.ndarray, size: int, confidence: np.ndarray, right: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.stack([np.bincount(bins, part, size) for part in (weight, weight * right, weight * confidence)])

"""Calibration: whether a confidence of 80 % is right in 80 of 100 cases."""

from typing import NamedTuple

import numpy as np

from gapscope.summaries.calibration import BINS, EDGES, Calibration
from gapscope.summaries.scores import ClassScores


class ReliabilityBin(NamedTuple):
    """One bar of a reliability diagram: rows with a confidence in ``(low, high]``, what they claim and what holds."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def ece(result: Calibration) -> float:
    """Expected calibration error with 15 right-closed bins of equal width: mean over rows of |accuracy - confidence|
    of their bin.

    References
    ----------
    Guo et al. (2017), "On calibration of modern neural networks".
    """
    return _gaps(result.bins) / _rows(result)


def adaptive_ece(result: Calibration) -> float:
    """The same with 15 bins of equal numbers of rows; rows in one of the 4,608 fine bins are shared out evenly.

    References
    ----------
    Nguyen and O'Connor (2015), "Posterior calibration and exploratory analysis for natural language processing models".
    """
    filled = result.fine[:, result.fine[0] > 0]
    reached = np.concatenate([np.zeros((3, 1)), np.cumsum(filled, axis=1)], axis=1)
    cuts = np.linspace(0, reached[0, -1], BINS + 1)
    at_cuts = np.stack([np.interp(cuts, reached[0], part) for part in reached])
    return _gaps(np.diff(at_cuts, axis=1)) / _rows(result)


def classwise_ece(result: ClassScores) -> float:
    """Mean over classes of the calibration error of their own probability over all rows, 15 right-closed bins.

    References
    ----------
    Kull et al. (2019), "Beyond temperature scaling: obtaining well-calibrated multi-class probabilities with Dirichlet
    calibration".
    """
    return _gaps(result.bins.reshape(3, -1)) / (result.n * result.bins.shape[1])


def brier(result: ClassScores) -> float:
    """Mean squared error of the probabilities: summed over classes, 0…2; of two classes one, 0…1, as scikit-learn's
    ``brier_score_loss``.

    References
    ----------
    Brier (1950), "Verification of forecasts expressed in terms of probability".
    """
    halved = 2 if result.bins.shape[1] == 2 else 1
    return result.squared / result.n / halved


def reliability(result: Calibration) -> tuple[ReliabilityBin, ...]:
    """The bars of a reliability diagram, bins without rows left out."""
    return tuple(
        ReliabilityBin(float(EDGES[index]), float(EDGES[index + 1]), int(n), total / n, right / n)
        for index, (n, right, total) in enumerate(result.bins.T.tolist())
        if n
    )


def _gaps(bins: np.ndarray) -> float:
    """Sum over bins of |correct predictions - summed confidence|."""
    return float(np.abs(bins[1] - bins[2]).sum())


def _rows(result: Calibration) -> float:
    return float(result.bins[0].sum())

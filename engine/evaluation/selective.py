"""Selective prediction: what a classifier is worth if it may decline the rows it is least sure of.

Rows are ranked by confidence, in 4,608 fine bins; rows of one bin count as equally sure and are taken in random order,
of which these are the expected values.
"""

import numpy as np
from scipy.special import digamma

from gapscope.summaries.calibration import Calibration

COVERAGES = (0.5, 0.8, 0.9, 0.95)
RISKS = (0.01, 0.05, 0.1)


def _surest_first(result: Calibration) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows and errors of the bins that have rows, surest first, and rows and errors before each."""
    count, right = result.fine[0, ::-1], result.fine[1, ::-1]
    there = count > 0
    rows, errors = count[there], (count - right)[there]
    return rows, errors, np.cumsum(rows) - rows, np.cumsum(errors) - errors


def aurc(result: Calibration) -> float:
    """Area under the risk-coverage curve: the mean over i of the error rate among the i surest rows.

    References
    ----------
    Geifman, Uziel and El-Yaniv (2018), "Bias-reduced uncertainty estimation for deep neural classifiers".
    """
    rows, errors, before, errors_before = _surest_first(result)
    harmonic = digamma(before + rows + 1) - digamma(before + 1)
    inside = errors / rows * (rows - before * harmonic)
    return float((errors_before * harmonic + inside).sum() / rows.sum())


def augrc(result: Calibration) -> float:
    """Area under the generalised risk-coverage curve: the mean probability of an undetected error.

    Equal to ``(1 - AUROC) acc (1 - acc) + (1 - acc)² / 2``, AUROC being that of correct predictions against wrong ones.

    References
    ----------
    Traub et al. (2024), "Overcoming common flaws in the evaluation of selective classification systems".
    """
    rows, errors, _, errors_before = _surest_first(result)
    return float((rows * (errors_before + errors / 2)).sum() / rows.sum() ** 2)


def accuracy_at(result: Calibration, coverage: float) -> float:
    """Accuracy of the surest share `coverage` of the rows."""
    rows, errors, before, errors_before = _surest_first(result)
    kept = coverage * rows.sum()
    lost = np.interp(kept, np.append(before, rows.sum()), np.append(errors_before, errors.sum()))
    return float(1 - lost / kept)


def coverage_at(result: Calibration, risk: float) -> float:
    """The largest share of rows, cut between bins, with an error rate of `risk` or less; 0 if none."""
    rows, errors, _, _ = _surest_first(result)
    kept = np.cumsum(rows)
    good = np.flatnonzero(np.cumsum(errors) <= risk * kept)
    return float(kept[good[-1]] / kept[-1]) if len(good) else 0.0

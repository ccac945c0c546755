"""How far predictions agree with labels beyond what the class frequencies would give, from the confusion matrix."""

import numpy as np


def mcc(confusion: np.ndarray) -> float:
    """Matthews' correlation coefficient for any number of classes, scikit-learn's ``matthews_corrcoef``; 0 where the
    labels or the predictions are all of one class.

    References
    ----------
    Gorodkin (2004), "Comparing two K-category assignments by a K-category correlation coefficient".
    """
    true, given, right, n = _margins(confusion)
    spread = (n * n - given @ given) * (n * n - true @ true)
    return float((right * n - true @ given) / np.sqrt(spread)) if spread > 0 else 0.0


def cohen_kappa(confusion: np.ndarray) -> float:
    """Cohen's kappa; NaN where the labels and the predictions are all of one and the same class.

    References
    ----------
    Cohen (1960), "A coefficient of agreement for nominal scales".
    """
    true, given, right, n = _margins(confusion)
    by_chance = true @ given / (n * n)
    return float((right / n - by_chance) / (1 - by_chance)) if by_chance < 1 else float("nan")


def balanced_accuracy(confusion: np.ndarray) -> float:
    """Mean recall of the classes that occur."""
    rows = confusion.sum(axis=1)
    occurs = rows > 0
    return float((np.diag(confusion)[occurs] / rows[occurs]).mean())


def _margins(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Labels and predictions of each class, correct predictions, rows; as float64: products of counts overflow."""
    confusion = np.asarray(confusion, np.float64)
    return confusion.sum(axis=1), confusion.sum(axis=0), float(np.trace(confusion)), float(confusion.sum())

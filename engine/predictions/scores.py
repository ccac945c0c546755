"""What follows from a table of scores: the best classes, the confidence, the likelihood of the label."""

from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.ranking import best_classes

ROWS = 4096
# How far from 1 the probabilities of a row may sum: those of ten classes do where they have two decimals.
TOLERANCE, ROUNDED = 1e-3, 0.005
FURTHEST = 0.05


class TopPredictions(NamedTuple):
    """What rows of scores say: ``top (n, t)``, ``confidence (n,)``, ``log_likelihood (n,)``."""

    top: np.ndarray
    confidence: np.ndarray
    log_likelihood: np.ndarray


def as_logarithms(scores: np.ndarray, where: str, *, probabilities: bool | None = None) -> np.ndarray:
    """Logarithms of probabilities up to a constant for each row: those of probabilities, or `scores` as they are.

    Where nobody says, `are_probabilities` does.

    Raises
    ------
    InputError
        A score is NaN, or what is said to be probabilities is not.
    """
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise InputError(f"{where} must have a row for each image and a column for each class, it is {scores.shape}")
    for start in range(0, len(scores), ROWS):
        _check_finite(np.asarray(scores[start : start + ROWS], np.float64), start, where)
    are = are_probabilities(scores)
    if probabilities and not are:
        raise InputError(f"{where} is said to hold probabilities but its rows are negative or do not sum to 1")
    if (are if probabilities is None else probabilities) and len(scores):
        tiny = np.finfo(np.float32).tiny  # so that a probability of 0 has a finite logarithm, -87
        return np.log(np.maximum(np.asarray(scores, np.float32), tiny))
    return scores


def are_probabilities(scores: np.ndarray) -> bool:
    """Whether no score is negative and those of each row sum to 1, but for the rounding of two decimals."""
    tolerance = min(max(TOLERANCE, ROUNDED * scores.shape[1]), FURTHEST)
    blocks = (np.asarray(scores[start : start + ROWS], np.float64) for start in range(0, len(scores), ROWS))
    return all((rows >= 0).all() and (np.abs(rows.sum(axis=1) - 1) <= tolerance).all() for rows in blocks)


def _check_finite(rows: np.ndarray, start: int, where: str) -> None:
    wrong = np.isnan(rows) | np.isposinf(rows)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"{where} has a score of {rows[row, column]} for class {column} in row {start + row}; "
            "scores must be numbers: leave the row out or repair the model"
        )
    empty = np.isneginf(rows).all(axis=1)
    if empty.any():
        raise InputError(
            f"{where} has no score but -inf in row {start + int(np.argmax(empty))}, so that no class is the best one; "
            "leave the row out or repair the model"
        )


def answers_of(scores: np.ndarray, label: np.ndarray) -> TopPredictions:
    """Of ``scores : (n, k)`` as `as_logarithms` gives them, in blocks of rows."""
    made = [_answers(scores[start : start + ROWS], label[start : start + ROWS]) for start in range(0, len(label), ROWS)]
    if not made:
        return TopPredictions(np.zeros((0, 1), np.int32), np.zeros(0, np.float32), np.zeros(0, np.float32))
    return TopPredictions(*(np.concatenate(column) for column in zip(*made, strict=True)))


def _answers(scores: np.ndarray, label: np.ndarray) -> TopPredictions:
    from scipy.special import logsumexp  # here, because it takes longer to import than `--help` may last

    scores = np.asarray(scores, np.float64)
    likelihood = scores - logsumexp(scores, axis=1, keepdims=True)
    rows = np.arange(len(scores))
    top = best_classes(scores)
    of_label = np.where(label < 0, np.nan, likelihood[rows, np.maximum(label, 0)])
    confidence = np.exp(likelihood[rows, top[:, 0]])
    return TopPredictions(top.astype(np.int32), confidence.astype(np.float32), of_label.astype(np.float32))

"""Right and wrong answers of a classifier, counted so that counts from anywhere can be added."""

from typing import NamedTuple, TypeVar

import numpy as np

from gapscope.schemas.predictions import TOP
from gapscope.summaries.calibration import Calibration
from gapscope.summaries.scores import ClassScores

M = TypeVar("M", Calibration, ClassScores)


class Outcomes(NamedTuple):
    """Counts over the labelled rows seen so far; those of disjoint row sets add up.

    Attributes
    ----------
    confusion : (k, k) int64
        ``confusion[i, j]`` rows of class ``i`` were given class ``j``.
    in_top
        Rows whose class is among the `TOP` classes with the highest scores.
    log_loss
        Sum over rows of minus the log-likelihood of the label; NaN where the model gives no likelihood.
    unlabelled
        Rows without a label, which count nowhere else.
    calibration
        By confidence, where confidences are probabilities.
    scores
        What needs the probabilities of all classes, where they are there.
    """

    confusion: np.ndarray
    in_top: int
    log_loss: float
    unlabelled: int
    calibration: Calibration | None = None
    scores: ClassScores | None = None

    @classmethod
    def of(
        cls,
        label: np.ndarray,
        top: np.ndarray,
        log_likelihood: np.ndarray | None,
        classes: int,
        confidence: np.ndarray | None = None,
        scores: ClassScores | None = None,
        weight: np.ndarray | None = None,
    ) -> "Outcomes":
        """Outcomes of rows with ``label : (n,)``, best classes first ``top : (n, t)``, ``log_likelihood : (n,)`` or
        None, ``confidence : (n,)`` where it is a probability, each counted ``weight : (n,)`` times.
        """
        known = label >= 0
        label, top = label[known], top[known]
        weight = None if weight is None else weight[known]
        pairs = label.astype(np.int64) * classes + top[:, 0]
        confusion = np.bincount(pairs, weight, classes * classes).reshape(classes, classes)
        result = (top[:, :TOP] == label[:, None]).any(axis=1)
        in_top = int(result.sum() if weight is None else result @ weight)
        sure = None if confidence is None else Calibration.of(confidence[known], top[:, 0] == label, weight)
        lost = _lost(log_likelihood, known, weight)
        return cls(confusion, in_top, lost, int((~known).sum()), sure, scores)

    @classmethod
    def none(cls, classes: int) -> "Outcomes":
        """Outcomes of no row."""
        return cls(np.zeros((classes, classes), np.int64), 0, 0.0, 0)

    def merge(self, other: "Outcomes") -> "Outcomes":
        """The outcomes of both row sets."""
        if not self.rows or not other.rows:
            return other if not self.rows else self
        return Outcomes(
            self.confusion + other.confusion,
            self.in_top + other.in_top,
            self.log_loss + other.log_loss,
            self.unlabelled + other.unlabelled,
            _both(self.calibration, other.calibration),
            _both(self.scores, other.scores),
        )

    @property
    def rows(self) -> int:
        """All rows, labelled or not."""
        return self.n + self.unlabelled

    @property
    def n(self) -> int:
        """Labelled rows."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """Rows that were given their own class."""
        return int(np.trace(self.confusion))


def _lost(log_likelihood: np.ndarray | None, known: np.ndarray, weight: np.ndarray | None) -> float:
    if log_likelihood is None:
        return float("nan")
    likelihood = log_likelihood[known].astype(np.float64)
    return -float(likelihood.sum() if weight is None else likelihood @ weight)


def _both(mine: M | None, theirs: M | None) -> M | None:
    """Both merged; None where either is not known."""
    return None if mine is None or theirs is None else mine.merge(theirs)

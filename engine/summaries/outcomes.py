"""Right and wrong answers of a classifier, counted so that counts from anywhere can be added."""

from typing import NamedTuple

import numpy as np

from schemas.predictions import TOP


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
    """

    confusion: np.ndarray
    in_top: int
    log_loss: float
    unlabelled: int

    @classmethod
    def of(cls, label: np.ndarray, top: np.ndarray, log_likelihood: np.ndarray | None, classes: int) -> "Outcomes":
        """Outcomes of rows with ``label : (n,)``, best classes first ``top : (n, t)``, ``log_likelihood : (n,)`` or
        None.
        """
        known = label >= 0
        label, top = label[known], top[known]
        pairs = label.astype(np.int64) * classes + top[:, 0]
        confusion = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
        in_top = int((top[:, :TOP] == label[:, None]).any(axis=1).sum())
        lost = float("nan") if log_likelihood is None else -float(log_likelihood[known].sum(dtype=np.float64))
        return cls(confusion, in_top, lost, int((~known).sum()))

    @classmethod
    def none(cls, classes: int) -> "Outcomes":
        """Outcomes of no row."""
        return cls(np.zeros((classes, classes), np.int64), 0, 0.0, 0)

    def merge(self, other: "Outcomes") -> "Outcomes":
        """The outcomes of both row sets."""
        return Outcomes(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def n(self) -> int:
        """Labelled rows."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """Rows that were given their own class."""
        return int(np.trace(self.confusion))


def best_classes(scores: np.ndarray, count: int = TOP) -> np.ndarray:
    """The `count` classes with the highest of ``scores : (n, k)``, best first, lower index first among equals."""
    count = min(count, scores.shape[1])
    rows = np.arange(len(scores))[:, None]
    top = np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
    return top[rows, np.argsort(-scores[rows, top], axis=1, kind="stable")].astype(np.int32)

"""Which classes are predicted as which others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.predictions.table import Predictions


class ConfusedPair(NamedTuple):
    """`count` images of class `true` were predicted as class `predicted`; `share` of all images of that class."""

    true: str
    predicted: str
    count: int
    share: float


def confusion_counts(predictions: Predictions) -> np.ndarray:
    """Images of each class, down, that were predicted as each class, across, ``(k, k)``; labelled rows only."""
    known = predictions.labelled()
    classes = len(predictions.class_names)
    pairs = known.label.astype(np.int64) * classes + known.predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def confused_pairs(names: Sequence[str], counts: np.ndarray, most: int) -> list[ConfusedPair]:
    """The pairs with the largest share, largest first, of ``counts[i, j]`` images of class i predicted as class j.

    >>> confused_pairs(["cat", "dog"], np.array([[8, 2], [1, 9]]), 1)
    [ConfusedPair(true='cat', predicted='dog', count=2, share=0.2)]
    """
    counts = np.asarray(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = np.where(np.eye(len(names), dtype=bool), 0, shares)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    places = [np.unravel_index(place, wrong.shape) for place in order]
    return [
        ConfusedPair(names[i], names[j], int(counts[i, j]), float(shares[i, j])) for i, j in places if wrong[i, j] > 0
    ]

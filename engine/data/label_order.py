"""Recognises labels whose class folders were sorted as texts: 0, 1, 10, 100, … instead of 0, 1, 2, 3, …"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.data.classes import is_integer

TOO_LOW, HIGH_ENOUGH = 0.05, 0.50


class LabelOrderFinding(NamedTuple):
    """The labels of a set and the classes of a model are numbered differently.

    Attributes
    ----------
    accuracy
        Share of rows that are right as the classes are numbered now.
    mended_accuracy
        Share of rows that are right when one side's folders are sorted as numbers.
    mislabelled
        ``labels`` if the set's labels are ranks of folders sorted as texts, ``predictions`` if the model's classes are.
    """

    accuracy: float
    mended_accuracy: float
    mislabelled: str

    @property
    def sentence(self) -> str:
        """The cause and the mend."""
        side = "labels of this set" if self.mislabelled == "labels" else "classes of this model"
        mend = (
            "list the set again so that its folders sort as numbers"
            if self.mislabelled == "labels"
            else "train the model again on labels whose folders sort as numbers"
        )
        return (
            f"accuracy is {100 * self.accuracy:.1f} %, but {100 * self.mended_accuracy:.1f} % if the {side} come from "
            f"folders 0, 1, 2, … that were sorted as texts (0, 1, 10, 100, …): {mend}"
        )


def text_order(classes: int) -> np.ndarray:
    """Which class stands at each rank when the names 0…classes-1 are sorted as texts, (classes,) int64.

    >>> text_order(12).tolist()
    [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    return np.array(sorted(range(classes), key=str), np.int64)


def check_label_order(counts: np.ndarray) -> LabelOrderFinding | None:
    """The finding that a confusion matrix shows, or None.

    ``counts : (k, k)``, true class by predicted class, adds over chunks like any count. The signature is an accuracy
    below 5 % that becomes one above 50 % once either side is put into numeric order; both over the classes that the
    order moves, since some stay in place (0, 1 and 90…99 of 100). Up to ten classes both orders are the same and
    there is nothing to find.
    """
    rows, classes = counts.shape
    if rows != classes:
        return None
    order, ranks = text_order(classes), np.arange(classes)
    moved = order != ranks
    now, by_labels, by_predictions = counts[ranks, ranks], counts[ranks, order], np.zeros(classes, counts.dtype)
    by_predictions[order] = counts[order, ranks]
    mended, side = max((by_labels, "labels"), (by_predictions, "predictions"), key=lambda pair: pair[0].sum())
    rows_moved = counts[moved].sum()
    if now[moved].sum() >= TOO_LOW * rows_moved or mended[moved].sum() <= HIGH_ENOUGH * rows_moved:
        return None
    total = counts.sum()
    return LabelOrderFinding(float(now.sum() / total), float(mended.sum() / total), side)


def check_class_names(class_names: Sequence[str]) -> str | None:
    """A sentence if the `class_names`, in the order of their indices, are numbers that were sorted as texts, else None.

    >>> check_class_names(["0", "1", "10", "2"]) is None
    False
    >>> check_class_names(["0", "1", "2", "10"]) is None
    True
    """
    names = list(class_names)
    if len(names) < 2 or not all(is_integer(name) for name in names):
        return None
    if names != sorted(names) or names == sorted(names, key=int):
        return None
    return (
        f"the class names are numbers sorted as texts ({', '.join(names[:4])}, …), so class 2 is not folder 2; "
        "sort them as numbers, or every comparison with a model's classes goes wrong"
    )

"""How much of an accuracy gap comes from classes being more or less frequent, and how much from within the classes.

References
----------
Kitagawa (1955), "Components of a difference between two rates"; Oaxaca (1973) for means of regressions.
"""

from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.text import counted
from gapscope.predictions import Predictions


class Counts(NamedTuple):
    """Correct predictions and rows of each class, ``(..., k)`` each, of one set or of its replicates."""

    right: np.ndarray
    rows: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """Share of the rows that are of each class."""
        return self.rows / np.maximum(self.rows.sum(axis=-1, keepdims=True), 1)

    @property
    def accuracy(self) -> np.ndarray:
        """Share of each class's rows that are right; NaN without rows."""
        return np.divide(self.right, self.rows, out=np.full(self.rows.shape, np.nan), where=self.rows > 0)

    @property
    def overall(self) -> np.ndarray:
        """Share of all rows that are right."""
        return self.right.sum(axis=-1) / np.maximum(self.rows.sum(axis=-1), 1)


class Mix(NamedTuple):
    """An accuracy gap, split by class into two parts whose sums add up to it.

    Attributes
    ----------
    mix : (..., k)
        What a class adds because its share differs; a class that one side lacks counts here alone.
    within : (..., k)
        What it adds because its own accuracy differs.
    weight : (..., k)
        Mean of its two shares; 0 for a class that one side lacks.
    """

    mix: np.ndarray
    within: np.ndarray
    weight: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """Reference accuracy minus target accuracy, ``(...)``."""
        return self.mix.sum(axis=-1) + self.within.sum(axis=-1)


def kitagawa(reference: Predictions, target: Predictions) -> Mix:
    """The gap between the labelled rows of two sets, split by class.

    ``gap = sum_c (p_c - q_c) (a_c + b_c) / 2  +  sum_c (p_c + q_c) / 2 (a_c - b_c)`` with class shares p, q and class
    accuracies a, b. A class that one side lacks is taken to have the other side's accuracy there.

    Raises
    ------
    InputError
        The two sets have different classes, or one has no labelled row.
    """
    if reference.class_names != target.class_names:
        raise InputError(differing_classes(reference, target))
    sides = [Counts(*side.counts()) for side in (reference, target)]
    for side, counts in zip((reference, target), sides, strict=True):
        if not counts.rows.sum():
            raise InputError(unknown_accuracy(side.name))
    return mix_of(*sides)


def mix_of(reference: Counts, target: Counts) -> Mix:
    """The same from counts, which may have further axes in front."""
    p, q = reference.share, target.share
    a, b = reference.accuracy, target.accuracy
    both = (reference.rows > 0) & (target.rows > 0)
    a, b = (np.nan_to_num(np.where(np.isnan(one), other, one)) for one, other in ((a, b), (b, a)))
    weight = np.where(both, (p + q) / 2, 0.0)
    mix = np.where(both, (p - q) * (a + b) / 2, p * a - q * b)
    return Mix(mix, weight * (a - b), weight)


def unknown_accuracy(name: str, what: str = "no labelled row") -> str:
    """The sentence that refuses a set whose accuracy cannot be measured, with what does without labels."""
    return (
        f"{name} has {what}, so its accuracy is unknown; give it labels (`label-queue` lists images worth one), or use "
        "`forecast` and `explain`, which need none"
    )


def differing_classes(reference: Predictions, target: Predictions) -> str:
    """The sentence that refuses two sets of different classes, with what differs."""
    one, other = reference.class_names, target.class_names
    if len(one) != len(other):
        classes = counted(len(one), "class", "classes")
        return f"{reference.name} has {classes} and {target.name} has {len(other)}; a gap needs the same"
    index = next(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    return (
        f"class {index} is {one[index]!r} in {reference.name} and {other[index]!r} in {target.name}; "
        "a gap needs the same classes in the same order"
    )

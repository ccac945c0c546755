"""Whether a new model is worse than an old one, on any set or in any class, with one chance in twenty of a false alarm.

Every look (a set as a whole, or a class of a set) is a one-sided exact McNemar test on the same images; Holm's
correction over all looks keeps the probability of a single false alarm below 5 %, however many there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc

from gapscope.core.errors import InputError
from gapscope.inference import adjusted, paired_interval_of_counts
from gapscope.predictions import Predictions, matched

LEVEL = 0.05
# Images of a class below which it is not looked at: a test of so few finds nothing and costs the others.
FEWEST = 10


@dataclass(frozen=True)
class Look:
    """The two models on a set, or on one of its classes.

    Attributes
    ----------
    class_name
        Empty for all classes together.
    before, after
        Accuracies of the old and of the new model.
    spoilt, corrected
        Images that only the old, and only the new model classifies correctly.
    p, adjusted_p
        One-sided, for the new model being worse; as it is, and corrected for all looks.
    """

    set_name: str
    class_name: str
    n: int
    before: float
    after: float
    spoilt: int
    corrected: int
    p: float
    adjusted_p: float = 1.0

    @property
    def change(self) -> float:
        """What the new model gains in accuracy; below zero, what it loses."""
        return self.after - self.before

    @property
    def span(self) -> tuple[float, float]:
        """The 95 % interval of the change, both models having the same images."""
        return paired_interval_of_counts(self.corrected, self.spoilt, self.n)

    @property
    def is_worse(self) -> bool:
        """Whether the new model is worse beyond chance."""
        return self.adjusted_p <= LEVEL


def looks(pairs: Sequence[tuple[Predictions, Predictions]]) -> list[Look]:
    """The looks at the old and the new model's predictions of each set, the sets as a whole first.

    Raises
    ------
    InputError
        The images or classes of the two differ, or a set has no labels.
    """
    wholes, classes = [], []
    for old, new in pairs:
        one, other = matched(old.labelled(), new.labelled())
        if not one.n:
            raise InputError(f"{old.name} has no labels, so nothing says which model is better; give labelled sets")
        wholes.append(_look(one, other, np.ones(one.n, bool), ""))
        for index in np.unique(one.label):
            rows = one.label == index
            if rows.sum() >= FEWEST:
                classes.append(_look(one, other, rows, one.class_names[index] if one.class_names else str(index)))
    every = [*wholes, *classes]
    corrected = adjusted(np.array([one.p for one in every]), "holm")
    return [Look(**{**vars(one), "adjusted_p": float(p)}) for one, p in zip(every, corrected, strict=True)]


def _look(old: Predictions, new: Predictions, rows: np.ndarray, class_name: str) -> Look:
    before, after = old.right[rows], new.right[rows]
    spoilt, corrected = int((before & ~after).sum()), int((after & ~before).sum())
    p = float(bdtrc(spoilt - 1, spoilt + corrected, 0.5)) if spoilt else 1.0
    return Look(old.name, class_name, int(rows.sum()), float(before.mean()), float(after.mean()), spoilt, corrected, p)

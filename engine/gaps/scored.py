"""The labelled rows of one set: as given and under better labels, and their bootstrap replicates."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array

from gapscope.core.errors import InputError
from gapscope.gaps.labels import rescored
from gapscope.gaps.mix import Counts, unknown_accuracy
from gapscope.inference import poisson_weights
from gapscope.inference.bootstrap import BLOCK
from gapscope.predictions import Predictions
from gapscope.predictions.valid_labels import ValidLabels

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Scored:
    """Rows that count, ``(n,)`` each.

    Attributes
    ----------
    key
        Equal for the same image alone.
    label, predicted
        Class indices.
    right
        Whether the prediction is correct.
    place
        Position among all rows of the set.
    classes
        k.
    """

    key: Array
    label: Array
    predicted: Array
    right: Array
    place: Array
    classes: int

    @classmethod
    def of(cls, one: Predictions, key: Array, right: Array, kept: Array) -> "Scored":
        """The rows that are `kept`."""
        place = np.flatnonzero(kept)
        return cls(key[kept], one.label[kept], one.predicted[kept], right[kept], place, len(one.class_names))

    @cached_property
    def counts(self) -> Counts:
        """Correct predictions and rows by class."""
        right = np.bincount(self.label[self.right], minlength=self.classes)
        return Counts(right, np.bincount(self.label, minlength=self.classes))


@dataclass(frozen=True, eq=False)
class Side:
    """One set: its rows as given and under better labels.

    Attributes
    ----------
    mentioned : (n,) bool
        Which images the better labels speak of.
    relabelled
        Whether there are better labels.
    """

    name: str
    given: Scored
    cleaned: Scored
    mentioned: Array
    relabelled: bool

    @classmethod
    def of(cls, one: Predictions, labels: ValidLabels | None, key: Array) -> "Side":
        """The rows of `one`.

        Raises
        ------
        InputError
            None has a label.
        """
        again = rescored(one, labels)
        given = Scored.of(one, key, one.right, one.known)
        cleaned = Scored.of(one, key, again.right, again.kept)
        for rows, what in ((given, "no labelled row"), (cleaned, "no row that the better labels keep")):
            if not len(rows.label):
                raise InputError(unknown_accuracy(one.name, what))
        return cls(one.name, given, cleaned, again.mentioned, labels is not None)


class BootstrapCounts:
    """The counts of a side's bootstrap replicates, made when first asked for."""

    def __init__(self, rows: Scored, seed: int, replicates: int):
        self.rows, self.seed, self.replicates = rows, seed, replicates

    @cached_property
    def counts(self) -> Counts:
        """Correct predictions and rows by class, ``(b, k)`` each; exact, and the same in any order of rows."""
        rows, k = self.rows, self.rows.classes
        total = np.zeros((self.replicates, 2 * k))
        for start, stop in pairwise([*range(0, len(rows.label), BLOCK), len(rows.label)]):
            part = slice(start, stop)
            weights = poisson_weights(self.seed, self.replicates, rows.key[part]).astype(np.float64)
            total += weights @ _indicators(rows.label[part], rows.right[part], k)
        return Counts(total[:, :k], total[:, k:])

    @cached_property
    def accuracy(self) -> Array:
        """Of each replicate, NaN for one without rows."""
        return np.where(self.counts.rows.sum(axis=-1) > 0, self.counts.overall, np.nan)


def _indicators(label: Array, right: Array, classes: int) -> csr_array:
    """For each row, a one in the column of its class if it is right, and in that of its class's rows; ``(n, 2k)``."""
    rows = np.arange(len(label))
    at = (np.concatenate([rows[right], rows]), np.concatenate([label[right], label + classes]))
    return csr_array((np.ones(len(at[0])), at), shape=(len(label), 2 * classes))

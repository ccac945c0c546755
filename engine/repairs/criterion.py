"""What chooses without labels: how far a head's predictions of the target are from those of the reference.

The squared kernel distance (MMD, unbiased) between the probabilities that the repaired head gives to target rows and a
mixture of those that the old head gives to each class of the reference, with the shares of the mixture that make it
least. So another class mix is no distance, and a repair that takes one for a shift of the features is found out.

References
----------
Gretton et al. (2012), "A kernel two-sample test". Zhang et al. (2013), "Domain adaptation under target and conditional
shift": class shares by kernel mean matching.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import nnls

Array = np.ndarray
# Rows of each set that are looked at, at most: distances cost the square of them.
ROWS = 2000
# Squared widths of the kernel; two certain rows of different classes are 2 apart.
WIDTHS = (0.25, 1.0, 4.0)
# By how much a repair must be nearer than no repair: so much for n rows, and this over n. Of those that are nearly as
# near as the nearest, the simplest is taken. Both are of made shifts of digits and of CIFAR-10.
LEAST, NOISE = 0.005, 1.0
ALIKE, ALIKE_NOISE = 0.01, 0.5
# Total variation between two class mixes that is no other mix, beside what chance gives k classes.
SAME_MIX, CHANCE = 0.1, 0.4
SUM_WEIGHT = 1e3


@dataclass(frozen=True, eq=False)
class Criterion:
    """The reference: probabilities ``p : (n, k)`` that the old head gives to rows with labels ``y : (n,)``."""

    p: Array
    y: Array

    @property
    def is_known(self) -> bool:
        """Whether two classes or more have two rows or more, without which there is nothing to compare with."""
        return int((np.bincount(self.y) > 1).sum()) > 1 if len(self.y) else False

    @cached_property
    def _classes(self) -> tuple[Array, Array]:
        """Which row is of which class that has two or more, ``(n, c)``; the mean kernel between and within classes."""
        count = np.bincount(self.y, minlength=self.p.shape[1])
        present = np.flatnonzero(count > 1)
        member, count = (self.y[:, None] == present).astype(float), count[present]
        own = _kernel(self.p, self.p)
        np.fill_diagonal(own, 0)
        return member, member.T @ own @ member / (np.outer(count, count) - np.diag(count))

    def distance(self, q: Array) -> float:
        """Of rows with probabilities ``q : (m, k)``, m at least 2; about 0 where they are like the reference's."""
        member, among = self._classes
        towards = (member.T @ _kernel(self.p, q)).mean(axis=1) / member.sum(axis=0)
        theirs = _kernel(q, q)
        within = (theirs.sum() - np.trace(theirs)) / (len(q) * (len(q) - 1))
        share = _shares(among, towards)
        return float(share @ among @ share - 2 * share @ towards + within)


def _shares(among: Array, towards: Array) -> Array:
    """The shares, not negative and with sum 1, with the least ``s A s - 2 s b``."""
    values, axes = np.linalg.eigh((among + among.T) / 2)
    root = (axes * np.sqrt(np.maximum(values, 1e-6 * values.max()))) @ axes.T
    rows = np.vstack([root, np.full((1, len(root)), SUM_WEIGHT)])
    share, _ = nnls(rows, np.append(np.linalg.solve(root, towards), SUM_WEIGHT))
    return share / share.sum()


def _kernel(one: Array, other: Array) -> Array:
    squares = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1) - 2 * one @ other.T
    return sum(np.exp(-squares / width) for width in WIDTHS) / len(WIDTHS)


def another_mix(before: Array, after: Array) -> float:
    """How far apart the class shares of two sets of predictions are, ``(n, k)`` and ``(m, k)``; above 1 beyond chance.

    Total variation; of two samples of one mix of k equal classes it is about ``0.4 sqrt(k (1/n + 1/m))``.
    """
    k = before.shape[1]
    shares = [np.bincount(one.argmax(axis=1), minlength=k) / len(one) for one in (before, after)]
    variation = 0.5 * float(np.abs(shares[0] - shares[1]).sum())
    return variation / (SAME_MIX + CHANCE * float(np.sqrt(k * (1 / len(before) + 1 / len(after)))))


def nearest(distance: Mapping[str, float], rows: int, usual: str) -> str:
    """The first of the names, simplest first, that is about as near as the nearest; `usual` unless that is farther by
    more than chance for so many target rows.
    """
    least = min(distance.values())
    if distance[usual] - least <= LEAST + NOISE / rows:
        return usual
    return next(name for name, one in distance.items() if one <= least + ALIKE + ALIKE_NOISE / rows)

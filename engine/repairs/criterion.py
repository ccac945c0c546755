"""What chooses without labels: how far a head's predictions of the target are from those of the reference, how much
they say of the classes, and how far differently fitted repairs agree on them.

The distance is the squared kernel distance (MMD, unbiased) between the probabilities that the repaired head gives to
target rows and a mixture of those that the old head gives to each class of the reference, with the shares of the
mixture that make it least. So another class mix is no distance. Agreement is that with the mean of the probabilities
of several repairs: what changes with every way of fitting is no finding.

References
----------
Gretton et al. (2012), "A kernel two-sample test". Zhang et al. (2013), "Domain adaptation under target and conditional
shift": class shares by kernel mean matching.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

Array = np.ndarray
# Rows of each set that are looked at, at most: distances cost the square of them.
ROWS = 2000
# Squared widths of the kernel; two certain rows of different classes are 2 apart.
WIDTHS = (0.25, 1.0, 4.0)
# By how much a repair must be nearer than no repair, times the number of rows; by how much more it must be agreed with;
# and what is the same agreement, of which the simplest repair is taken. Of made shifts of digits, Fashion-MNIST,
# CIFAR-10, and photographs of cats and dogs.
NOISE, MORE_AGREED, AS_AGREED = 1.0, 0.1, 0.005
MORE_INFORMATION, CHANCE_INFORMATION = 0.05, 5.0
# Repairs whose probabilities, averaged, say what the repairs agree on; those that presume no class mix; and those that
# presume that of the reference.
JURY = ("nothing", "mean", "scale", "coral", "classes", "mixture")
OF_ANY_MIX = ("shares", "mixture", "mixture-and-shares")
ALIGNED, USUAL_ALIGNMENT = ("mean", "scale", "coral"), ("scale",)
# Share of the information that predictions of the reference have, from which on a model is clear; and the share of
# theirs that those of the target keep. Distances that are none; and the largest `another_mix` that is the same mix.
CLEAR, KEPT, FITS, ADAPTED_FITS, SEEN_SAME = 0.6, 0.7, 0.002, 0.006, 0.95
# Total variation between two class mixes that is no other mix, beside what chance gives k classes.
SAME_MIX, CHANCE = 0.1, 0.4
SUM_WEIGHT = 1e3
# A mix is found only of so many classes, by so many rows for each of them. The probability of one of two is a single
# number, which another mix moves as another appearance does: it cost up to 24 points on photographs of cats and dogs;
# of 37 classes by 4 rows each it cost up to 19. Covariances of two classes cost up to 5 where the others did not.
SEVERAL, ROWS_OF_CLASS = 3, 8


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
    """How far apart the class shares of predictions ``(n, k)`` and ``(m, k)`` are; above 1 beyond chance."""
    return mixes_apart(before.argmax(axis=1), after.argmax(axis=1), before.shape[1])


def mixes_apart(before: Array, after: Array, k: int) -> float:
    """How far apart the shares of k classes among ``(n,)`` and ``(m,)`` class indices are; above 1 beyond chance.

    Total variation; of two samples of one mix of k equal classes it is about ``0.4 sqrt(k (1/n + 1/m))``.
    """
    shares = [np.bincount(one, minlength=k) / len(one) for one in (before, after)]
    variation = 0.5 * float(np.abs(shares[0] - shares[1]).sum())
    return variation / (SAME_MIX + CHANCE * float(np.sqrt(k * (1 / len(before) + 1 / len(after)))))


class Signs(NamedTuple):
    """What can be said of a repaired head without labels.

    Attributes
    ----------
    distance
        See `Criterion`.
    mix
        See `another_mix`, from the old head on the reference to this one on the target.
    agreement
        Share of the target's rows that get the class which the repairs in `JURY` together give them.
    information
        How much its predictions say of the classes, in nats: the entropy of the mean of the probabilities less the mean
        of their entropies.
    kept
        The same as a share of what the old head's predictions of the reference say.
    strength
        What those say as a share of what could be said of so many classes.
    classes
        Of the reference.
    """

    distance: float
    mix: float
    agreement: float
    information: float
    kept: float = 1.0
    strength: float = 0.0
    classes: int = SEVERAL

    @property
    def is_clear(self) -> bool:
        """Whether predictions say enough for another class mix to be seen in them."""
        return self.strength >= CLEAR

    def is_nearer(self, other: "Signs", rows: int) -> bool:
        """Whether predictions are more like those of the reference by more than chance for so many target rows."""
        return self.distance <= other.distance - NOISE / rows


def information(q: Array) -> float:
    """Of probabilities ``q : (n, k)``; see `Signs`."""
    mean = q.mean(axis=0)
    entropy = [-(one * np.log(np.maximum(one, 1e-300))).sum(axis=-1) for one in (mean, q)]
    return float(entropy[0] - entropy[1].mean())


def most_agreed(signs: Mapping[str, Signs], usual: str, rows: int) -> str:
    """The name whose predictions the others share most, where the class mix may be any.

    Repairs that presume the class mix of the reference stand for election only where the predictions have this mix, and
    all only where predictions are more like the reference's than those of the `usual`, which needs to be beaten.
    """
    free = {
        name: one.agreement
        for name, one in signs.items()
        if one.is_nearer(signs[usual], rows) and (name in OF_ANY_MIX or one.mix <= 1)
    }
    most = max(free.values(), default=0.0)
    if most - signs[usual].agreement <= MORE_AGREED:
        return usual
    return next(name for name, agreement in free.items() if agreement >= most - AS_AGREED)


def most_informative(signs: Mapping[str, Signs], usual: str, rows: int, *, same_mix: bool) -> str:
    """The name of the alignment whose predictions say most of the classes, where the class mix is the reference's.

    Where that is not known but seen, predictions must also be as like the reference's as theirs are, and say nearly as
    much: an alignment that makes up for another mix spreads few classes over many, and is unsure of them. Of a model
    whose predictions say little, another alignment than that of the scales says more by chance.
    """
    before = signs[usual]
    free = {
        name: one.information
        for name, one in signs.items()
        if name in (ALIGNED if before.is_clear else USUAL_ALIGNMENT)
        and one.mix <= 1
        and (same_mix or (one.kept >= KEPT and (one.is_nearer(before, rows) or one.distance <= FITS)))
    }
    most = max(free.values(), default=0.0)
    if most - before.information <= MORE_INFORMATION + CHANCE_INFORMATION / rows:
        return usual
    return next(name for name, said in free.items() if said == most)


def has_same_mix(signs: Mapping[str, Signs]) -> bool:
    """Whether predictions have the class mix of the reference: after an alignment, and after one that finds the mix,
    where the latter makes them like the reference's.
    """
    scale, mixture = (signs.get(name) for name in ("scale", "mixture"))
    return bool(scale and scale.mix <= SEEN_SAME and not (mixture and mixture.distance <= FITS and mixture.mix > 1))


def in_another_mix(signs: Mapping[str, Signs], usual: str, rows: int) -> str:
    """The alignment in the class shares that it finds, with the scores adapted to these, where predictions are like
    the reference's with and without adapting, and say no less than the usual's: shares can collapse onto a few classes.
    """
    before, mixture, adapted = (signs.get(name) for name in (usual, "mixture", "mixture-and-shares"))
    if not (mixture and adapted) or mixture.information < before.information:
        return usual
    fits = mixture.distance <= FITS and adapted.distance <= ADAPTED_FITS
    return "mixture-and-shares" if fits and mixture.is_nearer(before, rows) else usual


def chosen(signs: Mapping[str, Signs], usual: str, rows: int, *, same_mix: bool) -> str:
    """The name to choose: by what predictions say where the class mix is known or can be seen, else by agreement."""
    several, sampled = signs[usual].classes >= SEVERAL, rows >= ROWS_OF_CLASS * signs[usual].classes
    left_out = (*(OF_ANY_MIX if not (several and sampled) else ()), *(() if several else ("coral",)))
    signs = {name: one for name, one in signs.items() if name not in left_out}
    if same_mix or (signs[usual].is_clear and has_same_mix(signs)):
        return most_informative(signs, usual, rows, same_mix=same_mix)
    find = in_another_mix if signs[usual].is_clear else most_agreed
    return find(signs, usual, rows)

"""Whether two sets have inputs in common of which anything can be said.

Y given X is a statement about inputs that both sets have. It is only as good as the classifier that says which these
are: one that misses a difference calls other inputs alike, and what they cost other labels. So several classifiers look
(`gapscope.shifts.looks`), and the split is refused

* where one of them puts nearly every row into the right set, where hardly a row of one set lies near one of the other,
  or where few rows carry all the weight of the shared population: there are no shared inputs;
* where one of them still tells the sets apart after the rows were weighted to be alike: those are not shared inputs;
* where there are too few rows to see whether that is so.

References
----------
Li, Morgan and Zaslavsky (2018), "Balancing covariates via propensity score weighting": overlap weights, and balance
after weighting as what they are judged by.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from gapscope.blocks.formats import percent

Array = np.ndarray
# The least share of either set that must be effective in, or near, what both have; and the least that they may have in
# common by the distance between the scores of any classifier.
LEAST_EFFECTIVE, LEAST_NEAR, LEAST_COMMON = 0.05, 0.1, 0.1
# After weighting: beyond this chance of ranking a pair of rows right, sets are not alike; beyond that one they may not
# even be suspected to be that far apart.
ALIKE, SUSPECT = 0.55, 0.65
BOUND = float(ndtri(0.95))
# Standard errors above chance from which the best of half a dozen classifiers is no chance. Cross-fitted scores speak
# of each pair of rows twice, once with either in training: under the null their variance is twice that of other scores.
CERTAIN = 2.8 * float(np.sqrt(2))


class Weighted(NamedTuple):
    """One set for `likeness`.

    Attributes
    ----------
    weight : (n,)
        What each row counts.
    share : (n,)
        Weight of the shared population in it, up to a constant; below a half where the row looks more like its own set.
    looks : (n, q)
        Scores of q classifiers, NaN for rows that they did not look at.
    near : (n,)
        1 for rows in the neighbourhood of one of the other set, 0 for others, NaN for those not looked at.
    """

    weight: Array
    share: Array
    looks: Array
    near: Array

    @property
    def effective(self) -> float:
        """Rows that the shared population amounts to, as a share: ``(sum w)² / sum w² / n``."""
        return _effective(self.weight * self.share) / len(self.weight)

    @property
    def astray(self) -> float:
        """Share of the rows that look more like the other set's than like this one's own, ties counting half."""
        beyond = (self.share > 0.5) + 0.5 * (self.share == 0.5)
        return float(self.weight @ beyond / self.weight.sum())

    def seen(self) -> "Weighted":
        """The rows that were looked at."""
        there = np.isfinite(self.near)
        return Weighted(*(column[there] for column in self))


class Likeness(NamedTuple):
    """What can be said.

    Attributes
    ----------
    refused
        The sentence that says why nothing can be said of shared inputs; empty where it can.
    differ
        Whether the inputs are known to differ, which is half of an answer.
    """

    refused: str = ""
    differ: bool = False


class Ranking(NamedTuple):
    """How often a classifier ranks a row of the target above one of the reference, both weighted; the standard error of
    that under the null; and the share of the rows that the sets have in common by its scores, at most.
    """

    auc: float
    error: float
    common: float

    @property
    def high(self) -> float:
        """Upper bound of `auc` at 95 %."""
        return min(self.auc + BOUND * self.error, 1.0)


def likeness(reference: Weighted, target: Weighted, novel: tuple[float, float]) -> Likeness:
    """What can be said of the inputs that two sets share; `novel` are the shares of rows without a counterpart."""
    sides = (reference, target)
    for refused in (_by_shares(sides, novel), _by_looks([side.seen() for side in sides])):
        if refused.refused:
            return refused
    return Likeness()


def _by_shares(sides: Sequence[Weighted], novel: tuple[float, float]) -> Likeness:
    """By the weights of the shared population alone."""
    common, effective = sum(side.astray for side in sides), [side.effective for side in sides]
    if common < LEAST_COMMON:
        return _apart(f"a classifier of the two sets errs in {percent(common / 2)} of the rows that it has not seen")
    if min(effective) < LEAST_EFFECTIVE:
        return _apart(
            f"a population that both share would rest on {percent(effective[0])} of the reference's and "
            f"{percent(effective[1])} of the target's rows"
        )
    if max(novel) > 1 - LEAST_EFFECTIVE:
        here, there = map(percent, novel)
        return _apart(f"{here} of the reference and {there} of the target are unlike the other set")
    return Likeness()


def _by_looks(sides: Sequence[Weighted]) -> Likeness:
    """By the classifiers and neighbourhoods, on the rows that were looked at."""
    if not all(len(side.weight) and side.weight @ side.share > 0 for side in sides):
        return Likeness()
    plain = [ranking(*scores, *(side.weight for side in sides)) for scores in _scores(sides)]
    most = max(plain, key=lambda one: one.auc)
    near = [float(side.weight @ side.near / side.weight.sum()) for side in sides]
    if min(one.common for one in plain) < LEAST_COMMON:
        return _apart(f"of pairs of a row of each, a classifier that has not seen them ranks {percent(most.auc)} right")
    if min(near) < LEAST_NEAR:
        return _apart(
            f"{percent(near[0])} of the reference lies among the target's nearest neighbours, and {percent(near[1])} "
            "of the target among the reference's"
        )
    weighted = [ranking(*scores, *(side.weight * side.share for side in sides)) for scores in _scores(sides)]
    return _after_weighting(most, weighted, [len(side.weight) for side in sides])


def _after_weighting(plain: Ranking, weighted: Sequence[Ranking], rows: Sequence[int]) -> Likeness:
    left = max(weighted, key=lambda one: one.auc)
    excess = (left.auc - 0.5) / left.error
    if left.auc > ALIKE and excess > CERTAIN:
        return Likeness(
            "The inputs of the two sets differ in what no weighting of rows undoes: of pairs of a row of each, a "
            f"classifier ranks {percent(plain.auc)} right, and {percent(left.auc)} still among rows weighted to be "
            "alike; so what the classes lost goes with other inputs, and what other labels may add to it cannot be "
            "separated.",
            differ=True,
        )
    if left.high > SUSPECT or (left.auc > ALIKE and excess > BOUND):
        return Likeness(
            f"{rows[0]:,} and {rows[1]:,} rows are too few to see whether the two sets have the same inputs: of pairs "
            f"of a row of each, a classifier ranks {percent(left.auc)} right, and may rank {percent(left.high)}; so "
            "other inputs and other labels cannot be separated."
        )
    return Likeness()


def _apart(reason: str) -> Likeness:
    return Likeness(
        f"The two sets share hardly any inputs: {reason}; so what the classes lost goes with inputs unlike those of "
        "the reference, and whether labels follow other rules as well cannot be known.",
        differ=True,
    )


def _scores(sides: Sequence[Weighted]) -> list[tuple[Array, Array]]:
    return list(zip(*(side.looks.T for side in sides), strict=True))


def ranking(reference: Array, target: Array, weight: Array, other: Array) -> Ranking:
    """How scores ``(n,)`` and ``(m,)`` rank rows that weigh ``weight : (n,)`` and ``other : (m,)``; ties count half.

    The error takes the variance of the null, ``(1 / n + 1 / m) / 12`` for effective rows n and m.
    """
    values, place = np.unique(np.concatenate([reference, target]), return_inverse=True)
    low = np.bincount(place[: len(reference)], weight / weight.sum(), len(values))
    high = np.bincount(place[len(reference) :], other / other.sum(), len(values))
    below = np.cumsum(low)
    auc = float(high @ (below - low / 2))
    error = np.sqrt((1 / _effective(weight) + 1 / _effective(other)) / 12)
    common = 1 - float(np.abs(below - np.cumsum(high)).max())
    return Ranking(auc, float(error), common)


def _effective(weight: Array) -> float:
    """``(sum w)² / sum w²``."""
    squares = float(weight @ weight)
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0

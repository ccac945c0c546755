"""How much of an accuracy gap comes from other inputs, and how much from other labels for the same inputs.

Between the reference P and the target Q a shared population S is put, with a density proportional to ``pq / (p + q)``:
inputs that both sets have. The gap then is what is lost from P to S, at S from P's labels to Q's, and from S to Q:

    E_P R - E_Q R  =  (E_P R - E_S R_P)  +  (E_S R_P - E_S R_Q)  +  (E_S R_Q - E_Q R)
                            X-shift            Y given X                X-shift

with R = 1 where the model is right. Expectations over S are means over the rows of P, or of Q, with weights that follow
from ``pi(x)``, the probability that a row with these features is the target's. Only rows that both sets have tell
anything of Y given X; where there are hardly any, or where the rows weighted to be alike are not, as
`gapscope.gaps.likeness` sees, the split is refused.

Rows of which the other set has hardly any (its density is less than a fiftieth of the sum of both) are outside the
shared support, on either side; their part of the X-shift is separated as novel X.

References
----------
Cai, Namkoong and Yadlowsky (2023), "Diagnosing model performance under distribution shift", arXiv:2303.02011.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from gapscope.core.errors import InputError
from gapscope.gaps.likeness import Likeness, Weighted, likeness
from gapscope.inference import interval_of, resampled_sums
from gapscope.inference.bootstrap import REPLICATES

Array = np.ndarray
# A row is outside the shared support where the other set has less than this share of the density of both.
NOVEL = 0.02
UNLABELLED = -1
# Log odds beyond this are as good as certain.
MOST_ODDS = 40.0
_UNKNOWN = (float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one set.

    Attributes
    ----------
    sample_id : (n,) int64
    label : (n,) int
        Class index; rows labelled -1 are left out.
    right : (n,) bool
        Whether the model's prediction is the label.
    domain : (n,) float
        Cross-fitted, calibrated probability that a row with these features is the target's, at the sets' own sizes.
    weight : (n,) float or None
        What each row counts, for example so that both sets have one class mix; None for 1 each.
    looks : (n, q) float or None
        Cross-fitted scores of other classifiers of the two sets, in the order of `gapscope.shifts.looks`; NaN for rows
        that these did not look at.
    near : (n,) float or None
        1 for a row in the neighbourhood of a row of the other set, 0 for others; NaN as above.
    expected : (n,) float or None
        How likely the row is to be right by what is known of it without its label, the same rule for both sets. Where
        rows of S differ in it, that much counts as X-shift and not as Y given X; None for no such rule.
    """

    sample_id: Array
    label: Array
    right: Array
    domain: Array
    weight: Array | None = None
    looks: Array | None = None
    near: Array | None = None
    expected: Array | None = None


@dataclass(frozen=True, eq=False)
class Disde:
    """A gap in three terms, by class; the terms sum to the gap, and the classes to the terms.

    Positive numbers are accuracy lost. A class's entries are about rows of that class as deviations from the shared
    population's accuracy, so a class is not blamed for having more or fewer rows in S than in P or Q.

    Attributes
    ----------
    gap
        Weighted accuracy of the reference less that of the target.
    x_shift_shared, novel_x, y_given_x : (k,)
        By class index.
    gap_interval, x_shift_shared_interval, novel_x_interval, y_given_x_interval
        95 %, of the totals, with the domain classifier as it is; NaN for terms that were refused.
    levels
        Accuracy on P, on S by the rows of P, on S by the rows of Q, and on Q: what the terms are differences of.
    effective_rows
        ``(sum w)² / sum w²`` of the reference and of the target.
    effective_share
        The same by the number of rows.
    novel_share
        Share of the rows of each set that are outside the shared support, by the caller's weights.
    alike
        Whether anything can be said of shared inputs; where not, the whole gap is novel X, and not separable.
    """

    gap: float
    x_shift_shared: Array
    novel_x: Array
    y_given_x: Array
    gap_interval: tuple[float, float]
    x_shift_shared_interval: tuple[float, float]
    novel_x_interval: tuple[float, float]
    y_given_x_interval: tuple[float, float]
    levels: tuple[float, float, float, float]
    effective_rows: tuple[float, float]
    effective_share: tuple[float, float]
    novel_share: tuple[float, float]
    alike: Likeness

    @property
    def refused(self) -> str:
        """The sentence that says why the terms are not separated; empty where they are."""
        return self.alike.refused

    def spanning(self, other: "Disde | None") -> "Disde":
        """The terms as they are, with intervals that hold those of another reading as well: 0 of a term that it does
        not separate.
        """
        if other is None:
            return self
        names = ("x_shift_shared_interval", "novel_x_interval", "y_given_x_interval")
        pairs = [(getattr(self, name), (0.0, 0.0) if other.refused else getattr(other, name)) for name in names]
        spans = [(min(one[0], two[0]), max(one[1], two[1])) for one, two in pairs]
        return replace(self, **dict(zip(names, spans, strict=True)))

    @property
    def overlap(self) -> bool:
        """Whether they are separated."""
        return not self.refused


def disde(
    reference: Rows,
    target: Rows,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    classes: int | None = None,
    alpha: float | None = None,
) -> Disde:
    """The gap between two sets by X-shift on shared support, novel X, and Y given X.

    Where rows are weighted by class, domain scores that have seen the class mix would undo weights that equalise it. So
    their odds are fitted anew to the weighted sets, from the odds as they are and from how much more the row's class
    weighs in the target than in the reference: three numbers.

    Parameters
    ----------
    replicates
        Of the keyed Poisson bootstrap; the domain scores stay as they are.
    classes
        k; one more than the largest label if None.
    alpha
        The share of target rows at which the domain scores hold; that of the rows given if None.

    Raises
    ------
    InputError
        A set has no labelled row that weighs anything, or columns do not fit together.
    """
    alpha = len(target.label) / max(len(reference.label) + len(target.label), 1) if alpha is None else alpha
    k = 1 + int(max(reference.label.max(initial=0), target.label.max(initial=0))) if classes is None else classes
    rows = (_labelled(reference, "reference"), _labelled(target, "target"))
    sides = [_Side(*one) for one in zip(rows, _shared(rows, alpha, k), strict=True)]
    effective = tuple(side.effective_rows for side in sides)
    share = tuple(side.effective_rows / len(side.rows.label) for side in sides)
    novel = tuple(side.novel_share for side in sides)
    alike = likeness(*(side.weighted for side in sides), novel)
    terms = _all_novel if alike.refused else _terms
    whole = [_Means.of(side.total) for side in sides]
    by_class = [_Means.of(side.by_class(k), side.total) for side in sides]
    copies = [_Means.of(side.resampled(seed, replicates)) for side in sides]
    drawn = terms(copies, copies)
    fewest = min(len(side.rows.label) for side in sides)
    rest = fewest if alike.refused else min(effective)
    spans = [
        _UNKNOWN if alike.refused and name != "novel_x" else interval_of(one, rows=rest)
        for name, one in drawn._asdict().items()
    ]
    return Disde(
        float(whole[0].right - whole[1].right),
        *terms(by_class, whole),
        interval_of(copies[0].right - copies[1].right, rows=fewest),
        *spans,
        levels=_levels(*whole),
        effective_rows=effective,
        effective_share=share,
        novel_share=novel,
        alike=alike,
    )


def _labelled(rows: Rows, name: str) -> Rows:
    """The labelled rows, their weights with a mean of 1."""
    weight = np.ones(len(rows.label)) if rows.weight is None else np.asarray(rows.weight, np.float64)
    columns = [np.asarray(column) for column in (rows.sample_id, rows.label, rows.right, rows.domain, weight)]
    if len({len(column) for column in columns}) > 1:
        raise InputError(f"the columns of the {name} have {[len(column) for column in columns]} rows; give one of each")
    known = columns[1] != UNLABELLED
    sample_id, label, right, domain, weight = (column[known] for column in columns)
    more = (rows.looks, rows.near, rows.expected)
    more = (None if column is None else np.asarray(column)[known] for column in more)
    if not weight.sum() > 0:
        raise InputError(f"the {name} has no labelled row that weighs anything; a gap needs labels on both sides")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and ((domain >= 0) & (domain <= 1)).all()):
        raise InputError(f"the {name} has weights below 0 or domain scores outside 0…1; both must be finite")
    return Rows(sample_id, label, right.astype(np.float64), domain, weight / weight.mean(), *more)


def _shared(sides: Sequence[Rows], alpha: float, classes: int) -> list[Array]:
    """For each row the other set's share of the density of both, were the sets of one size: the weight of S in it, up
    to a constant; for weighted rows, of the densities that the weights make.
    """
    weighed = [np.bincount(side.label, side.weight, classes) for side in sides]
    rows = [np.bincount(side.label, minlength=classes) for side in sides]
    both = (weighed[0] > 0) & (weighed[1] > 0)
    up = np.zeros(classes)
    up[both] = np.log((weighed[1][both] / rows[1][both]) / (weighed[0][both] / rows[0][both]))
    odds = [np.clip(logit(side.domain.astype(np.float64)) - logit(alpha), -MOST_ODDS, MOST_ODDS) for side in sides]
    if np.abs(up).max(initial=0) > 1e-12:
        odds = _reweighted(sides, odds, [up[side.label] for side in sides])
    return [expit(odds[0]), expit(-odds[1])]


def _reweighted(sides: Sequence[Rows], odds: Sequence[Array], up: Sequence[Array]) -> list[Array]:
    """Log odds of the weighted sets: ``a odds + c up + b`` of least balanced log-loss on the weighted rows.

    Were classes plain to see in the features, and the domain scores perfect, a and c would be 1 and b 0. Scores that do
    not see the class mix, or labels that changed while features did not, ask for c near 0.
    """
    columns = [np.stack([one, other, np.ones_like(one)]) for one, other in zip(odds, up, strict=True)]
    shares = [0.5 * side.weight / side.weight.sum() for side in sides]

    def loss(point: Array) -> tuple[float, Array]:
        value, slope = 0.0, np.zeros(3)
        for sign, share, column in zip((1, -1), shares, columns, strict=True):
            score = sign * (point @ column)
            value += float(share @ np.logaddexp(0, score))
            slope += sign * (column @ (share * expit(score)))
        return value, slope

    result = minimize(
        loss, np.array([1.0, 0.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0, 1), (0, 1), (None, None)]
    )
    return [result.x @ column for column in columns]


class _Means(NamedTuple):
    """What the terms are made from, each of any shape (one number, or one for each class or replicate).

    Attributes
    ----------
    mass, right
        Weight of the rows, and of the right ones among them.
    shared_mass, shared_right
        The same in S.
    shared_expected
        Weight of the rows in S that one expects to be right, whatever their labels.
    novel
        The four again, of the rows outside the shared support alone.
    """

    mass: Array
    right: Array
    shared_mass: Array
    shared_right: Array
    shared_expected: Array
    novel: Array

    @classmethod
    def of(cls, sums: Array, total: Array | None = None) -> "_Means":
        """From ``sums : (…, 9)``, as shares of `total`; NaN where that is 0."""
        total = sums if total is None else total
        scale = total[..., [0, 0, 2, 2, 2, 0, 0, 2, 2]]
        means = np.divide(sums, scale, out=np.full(np.broadcast(sums, scale).shape, np.nan), where=scale > 0)
        return cls(*np.moveaxis(means[..., :5], -1, 0), novel=np.moveaxis(means[..., 5:], -1, 0))

    def novelty(self, centre: Array) -> Array:
        """What accuracy loses from this population to S by its rows outside the shared support, as a deviation from
        `centre`.
        """
        mass, right, shared_mass, shared_right = self.novel
        return right - shared_right - centre * (mass - shared_mass)

    @property
    def beyond(self) -> Array:
        """Accuracy on S beyond what one expects of its rows."""
        return self.shared_right - self.shared_expected


@dataclass(frozen=True, eq=False)
class _Side:
    """One set's rows, with the weight of S in each."""

    rows: Rows
    share: Array

    @property
    def effective_rows(self) -> float:
        weight = self.rows.weight * self.share
        squares = float(weight @ weight)
        return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0

    @property
    def weighted(self) -> Weighted:
        unknown = np.full((len(self.share), 1), np.nan)
        looks = unknown if self.rows.looks is None else self.rows.looks
        near = unknown[:, 0] if self.rows.near is None else self.rows.near
        return Weighted(self.rows.weight, self.share, looks, near)

    @property
    def novel_share(self) -> float:
        return float(self.rows.weight @ (self.share < NOVEL) / self.rows.weight.sum())

    @cached_property
    def values(self) -> Array:
        """What is summed, ``(n, 9)``; see `_Means`."""
        own, shared = self.rows.weight, self.rows.weight * self.share
        expected = np.zeros(len(own)) if self.rows.expected is None else self.rows.expected
        columns = np.stack([own, own * self.rows.right, shared, shared * self.rows.right], axis=1)
        novel = columns * (self.share < NOVEL)[:, None]
        return np.concatenate([columns, (shared * expected)[:, None], novel], axis=1)

    @property
    def total(self) -> Array:
        return self.values.sum(axis=0)

    def by_class(self, classes: int) -> Array:
        return np.stack([np.bincount(self.rows.label, column, classes) for column in self.values.T], axis=1)

    def resampled(self, seed: int, replicates: int) -> Array:
        return resampled_sums(self.rows.sample_id, self.values, seed, replicates)


class _Terms(NamedTuple):
    x_shift_shared: Array
    novel_x: Array
    y_given_x: Array


def _terms(sides: Sequence[_Means], whole: Sequence[_Means]) -> _Terms:
    """The three terms of `sides`, which may be parts of `whole`.

    All are deviations from one accuracy, midway between P's and Q's on S, which changes no total: the masses of a
    population sum to 1. Novel rows are compared with S as their own set labels it.
    """
    centres = [one.shared_right for one in whole]
    middle, beyond = (centres[0] + centres[1]) / 2, (whole[0].beyond + whole[1].beyond) / 2
    reference, target = sides
    lost = [one.right - middle * one.mass for one in sides]
    novel = reference.novelty(centres[0]) - target.novelty(centres[1])
    given = reference.beyond - target.beyond - beyond * (reference.shared_mass - target.shared_mass)
    return _Terms(lost[0] - lost[1] - novel - given, novel, given)


def _all_novel(sides: Sequence[_Means], whole: Sequence[_Means]) -> _Terms:
    middle = (whole[0].right + whole[1].right) / 2
    lost = [one.right - middle * one.mass for one in sides]
    gap = lost[0] - lost[1]
    return _Terms(np.zeros_like(gap), gap, np.zeros_like(gap))


def _levels(reference: _Means, target: _Means) -> tuple[float, float, float, float]:
    result = (reference.right, reference.shared_right, target.shared_right, target.right)
    return tuple(float(one) for one in result)

"""Small groups of images that lost more than the others: slices by up to three conditions on attributes and columns.

Slices are looked for on one half of the images and tested on the other, so that however many are looked at, chance
passes for a finding in 5 % of all cases. What a slice lost is what its images lost against images of the same classes
in the reference; where the reference has such images too, against those. A condition more is taken only where it tells
beyond the others: the slices are minimal.

References
----------
Chung et al. (2019), "Slice Finder". Eyuboglu et al. (2022), "Domino". Benjamini and Hochberg (1995) for the number of
slices. Rezaei et al. (2024), "PRIME": conditions that have words come first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from gapscope.attributes.columns import Column
from gapscope.gaps.image_terms import Rows, residuals
from gapscope.inference import adjusted
from gapscope.inference.bootstrap import mixed
from gapscope.inference.shrunk import by_spread

Array = np.ndarray
LEVEL = 0.05
BELOW, ABOVE = (0.1, 0.25, 0.5), (0.5, 0.75, 0.9)
# Values of a column that make conditions; images of a half that a slice needs; slices that are tested; conditions.
MOST_VALUES, LEAST_IMAGES, MOST_SLICES, DEEPEST = 12, 15, 8, 3
# Rows that are read of each set, pairs that are made triples, and standard errors that a condition has to add.
MOST_ROWS, MOST_PAIRS, TELLING = 50_000, 30, 2.0
# Slices that share more of their images are one.
ALIKE = 0.5
# Slices whose rows are in memory together.
BLOCK = 256
# The least variance of a residual: that of a class of which one in 200 is wrong.
COIN = 0.005


class Condition(NamedTuple):
    """A condition in words, and which rows of both sets meet it, ``(n,)`` and ``(m,)`` bool."""

    name: str
    column: int
    reference: Array
    target: Array


@dataclass(frozen=True)
class Slice:
    """A slice that lost more than the other images beyond chance.

    Attributes
    ----------
    conditions
        In words.
    images, errors
        Of the target.
    drop
        Share of its images that it lost, drawn towards that of the other images as far as noise demands; with its 95 %
        interval `low` to `high`.
    others
        What the other images lost.
    alone
        Whether the reference has no such images.
    p
        One-sided, corrected for the slices that were tested (Benjamini-Hochberg).
    """

    conditions: tuple[str, ...]
    images: int
    errors: int
    drop: float
    low: float
    high: float
    others: float
    alone: bool
    p: float


class Slices(NamedTuple):
    """Slices, and which rows of the target are in each, ``(s, m) bool``; how many slices were tested."""

    slices: tuple[Slice, ...]
    members: Array
    tested: int


class Sums(NamedTuple):
    """Of each slice in one set: its rows, the sum of their residuals and of the squares; ``(...)`` each."""

    n: Array
    total: Array
    squares: Array

    def less(self, other: "Sums") -> "Sums":
        """Of the rows that are in these and not in the `other`, which are among them."""
        return Sums(*(one - two for one, two in zip(self, other, strict=True)))

    @property
    def mean(self) -> Array:
        """0 without rows."""
        return self.total / np.maximum(self.n, 1)

    @property
    def variance(self) -> Array:
        """Of the mean."""
        n = np.maximum(self.n, 1)
        return np.maximum(self.squares / n - (self.total / n) ** 2, COIN) / n


class Both(NamedTuple):
    """The sums of both sets."""

    reference: Sums
    target: Sums

    @property
    def compared(self) -> Array:
        """Where the reference has rows enough to compare with."""
        return self.reference.n >= LEAST_IMAGES

    @property
    def drop(self) -> Array:
        """What was lost, as a share."""
        return np.where(self.compared, self.reference.mean, 0.0) - self.target.mean

    @property
    def variance(self) -> Array:
        """Of the drop."""
        return np.where(self.compared, self.reference.variance, 0.0) + self.target.variance

    def less(self, other: "Both") -> "Both":
        """Of the rows that are in these and not in the `other`."""
        return Both(self.reference.less(other.reference), self.target.less(other.target))

    def at(self, place: object) -> "Both":
        """Of some slices."""
        return Both(*(Sums(*(np.asarray(column)[place] for column in side)) for side in self))

    def beyond(self, other: "Both") -> Array:
        """By how many standard errors these lost more than the `other`; 0 where that has no rows."""
        score = (self.drop - other.drop) / np.sqrt(self.variance + other.variance)
        return np.where((other.target.n > 0) & (self.target.n > 0), score, 0.0)


class Half(NamedTuple):
    """Half of the rows: residuals ``(n,)`` and ``(m,)``, and the rows that meet a condition, ``(c, n)``, ``(c, m)``."""

    rest: tuple[Array, Array]
    met: tuple[Array, Array]

    def sums(self, slices: Sequence[tuple[int, ...]]) -> Both:
        """Of slices by their conditions."""
        blocks = [slices[start : start + BLOCK] for start in range(0, len(slices), BLOCK)]
        return Both(*(_joined([_sums(_members(met, block), rest) for block in blocks])
                      for met, rest in zip(self.met, self.rest, strict=True)))  # fmt: skip

    @property
    def whole(self) -> Both:
        """Of all rows."""
        return Both(*(_sums(np.ones((1, len(rest)), bool), rest) for rest in self.rest)).at(0)


def _members(met: Array, slices: Sequence[tuple[int, ...]]) -> Array:
    """The rows of each slice, ``(s, n) bool``, from those that meet each condition."""
    return np.stack([met[list(one)].all(axis=0) for one in slices])


def _joined(parts: Sequence[Sums]) -> Sums:
    return Sums(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _sums(members: Array, rest: Array) -> Sums:
    weights = np.stack([np.ones(len(rest)), rest, rest**2], axis=1).astype(np.float32)
    return Sums(*(members.astype(np.float32) @ weights).astype(np.float64).T)


def find_slices(columns: Sequence[Column], reference: Rows, target: Rows, *, seed: int) -> Slices:
    """The slices of the target that lost more than the rest, those that lost most images first.

    Parameters
    ----------
    columns
        Of the rows of both sets.
    """
    conditions = [one for index, column in enumerate(columns) for one in _conditions(index, column)]
    nothing = Slices((), np.zeros((0, len(target.right)), bool), 0)
    if not conditions:
        return nothing
    halves = _halves(conditions, reference, target, seed)
    kinds = [one.column for one in conditions]
    chosen = _chosen(halves[0], kinds)
    if not chosen:
        return nothing
    p, drops = _tested(halves[1], chosen, len(conditions))
    kept = _unexplained(halves[1], chosen, [place for place in range(len(chosen)) if p[place] <= LEVEL])
    met = np.stack([one.target for one in conditions])
    members = _members(met, [chosen[place] for place in kept]) if kept else nothing.members
    slices = [
        _slice(conditions, chosen[place], members[at], target, drops[place], float(p[place]))
        for at, place in enumerate(kept)
    ]
    order = sorted(range(len(slices)), key=lambda one: -(slices[one].drop - slices[one].others) * slices[one].images)
    return Slices(tuple(slices[one] for one in order), members[order], len(chosen))


def _conditions(index: int, column: Column) -> Iterator[Condition]:
    if column.values:
        sizes = np.bincount(column.target[column.target >= 0], minlength=len(column.values))
        for value in np.argsort(-sizes, kind="stable")[:MOST_VALUES].tolist():
            yield Condition(f"{column.name} {column.values[value]}", index, *(side == value for side in column.sides))
        return
    known = np.concatenate([side[ok] for side, ok in zip(column.sides, column.known, strict=True)])
    words, unit = column.wording, f" {column.wording.unit}".rstrip()
    for low in np.unique(np.quantile(known, BELOW)):
        name = f"{words.label} up to {words.show(low)}{unit}"
        yield Condition(name, index, *(side <= low for side in column.sides))
    for high in np.unique(np.quantile(known, ABOVE)):
        name = f"{words.label} above {words.show(high)}{unit}"
        yield Condition(name, index, *(side > high for side in column.sides))


def _halves(conditions: Sequence[Condition], reference: Rows, target: Rows, seed: int) -> tuple[Half, Half]:
    """One half of the first rows of both sets, by their keys, so that one image is in one half; and the other."""
    rest = [residuals(rows, reference)[:MOST_ROWS] for rows in (reference, target)]
    met = [np.stack([getattr(one, side)[:MOST_ROWS] for one in conditions]) for side in ("reference", "target")]
    with np.errstate(over="ignore"):
        draws = [
            mixed(rows.key[:MOST_ROWS].astype(np.uint64) + mixed(np.array([seed + 1], np.uint64)))
            for rows in (reference, target)
        ]
    first = [draw % np.uint64(2) == 0 for draw in draws]
    both = [(first[0], first[1]), (~first[0], ~first[1])]
    one, other = (
        Half((rest[0][a], rest[1][b]), (met[0][:, a], met[1][:, b])) for a, b in both
    )  # fmt: skip
    return one, other


def _chosen(half: Half, kinds: Sequence[int]) -> list[tuple[int, ...]]:
    """The slices that stand out most on a half, and of those that share most of their images one."""
    whole = half.whole
    level = [(one,) for one in range(len(kinds))]
    scored: dict[tuple[int, ...], float] = {}
    for depth in range(1, DEEPEST + 1):
        sums = half.sums(level)
        large = (sums.target.n >= LEAST_IMAGES) & (whole.target.n - sums.target.n >= LEAST_IMAGES)
        score = np.where(large, sums.beyond(whole.less(sums)), -np.inf)
        telling = score > TELLING
        if depth > 1:
            telling &= _adds(half, level, sums)
        scored |= {one: float(score[at]) for at, one in enumerate(level) if telling[at]}
        level = _deeper(level, score, kinds, depth)
        if not level:
            break
    return _apart(half, sorted(scored, key=lambda one: -scored[one]))


def _deeper(level: Sequence[tuple[int, ...]], score: Array, kinds: Sequence[int], depth: int) -> list[tuple[int, ...]]:
    """All pairs of conditions on two columns; the pairs that stand out most with a third."""
    if depth == 1:
        pairs = combinations(range(len(kinds)), 2)
        return [(one, two) for one, two in pairs if kinds[one] != kinds[two] and np.isfinite(score[[one, two]]).all()]
    if depth == DEEPEST:
        return []
    best = [level[at] for at in np.argsort(-score)[:MOST_PAIRS] if score[at] > TELLING]
    deeper = {
        tuple(sorted((*one, more)))
        for one in best
        for more in range(len(kinds))
        if kinds[more] not in {kinds[own] for own in one}
    }
    return sorted(deeper)


def _parents(one: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The slices that lack one condition."""
    return [parent for parent in combinations(one, len(one) - 1) if parent]


def _adds(half: Half, slices: Sequence[tuple[int, ...]], sums: Both) -> Array:
    """Whether each slice lost more than the rest of every slice that lacks one of its conditions."""
    known = {parent for one in slices for parent in _parents(one)}
    place = {parent: at for at, parent in enumerate(sorted(known))}
    parents = half.sums(sorted(known))
    result = np.ones(len(slices), bool)
    for number in range(len(slices[0])):
        at = np.array([place[_parents(one)[number]] for one in slices])
        result &= sums.beyond(parents.at(at).less(sums)) > TELLING
    return result


def _apart(half: Half, ranked: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The first of the slices that share no more than half of their images with one before."""
    chosen: list[tuple[int, ...]] = []
    members: list[Array] = []
    for one in ranked:
        own = half.met[1][list(one)].all(axis=0)
        if all((own & other).sum() <= ALIKE * (own | other).sum() for other in members):
            chosen.append(one)
            members.append(own)
        if len(chosen) == MOST_SLICES:
            break
    return chosen


def _unexplained(half: Half, chosen: Sequence[tuple[int, ...]], kept: Sequence[int]) -> list[int]:
    """Those of the slices `kept` of which the images that are in none before lost more than images in no slice."""
    result: list[int] = []
    before = [np.zeros(met.shape[1], bool) for met in half.met]
    for place in kept:
        own = [met[list(chosen[place])].all(axis=0) for met in half.met]
        new, outside = (
            Both(*(_sums(rows[None], rest) for rows, rest in zip(masks, half.rest, strict=True)))
            for masks in (
                [one & ~two for one, two in zip(own, before, strict=True)],
                [~(one | two) for one, two in zip(own, before, strict=True)],
            )
        )
        if new.target.n[0] >= LEAST_IMAGES and new.beyond(outside)[0] > TELLING:
            result.append(place)
            before = [one | two for one, two in zip(own, before, strict=True)]
    return result


class Drop(NamedTuple):
    """What a slice lost, drawn towards the others, with its interval; what the others lost; see `Slice.alone`."""

    drop: float
    low: float
    high: float
    others: float
    alone: bool


def _tested(half: Half, chosen: Sequence[tuple[int, ...]], conditions: int) -> tuple[Array, list[Drop]]:
    """Corrected p-values of the slices on a half that they were not chosen by, and what they lost there."""
    sums, whole = half.sums(chosen), half.whole
    rest = whole.less(sums)
    score = np.where(sums.target.n >= LEAST_IMAGES, sums.beyond(rest), 0.0)
    for at, one in enumerate(chosen):
        for parent in _parents(one):
            own = half.sums([parent, one])
            score[at] = min(score[at], float(own.at(1).beyond(own.at(0).less(own.at(1)))))
    return adjusted(ndtr(-score)), _shrunk(half, sums, rest, conditions)


def _shrunk(half: Half, sums: Both, rest: Both, conditions: int) -> list[Drop]:
    """What slices lost beyond the others, drawn in as what all single conditions show demands."""
    single = half.sums([(one,) for one in range(conditions)])
    others = half.whole.less(single)
    kept = (single.target.n >= LEAST_IMAGES) & (others.target.n >= LEAST_IMAGES)
    raw = np.concatenate([sums.drop - rest.drop, (single.drop - others.drop)[kept]])
    error = np.sqrt(np.concatenate([sums.variance + rest.variance, (single.variance + others.variance)[kept]]))
    if len(raw) < 2:
        centre, half_width = raw, 1.96 * error
    else:
        known = by_spread(raw, error)
        middle, keep = float(known.weight @ known.mean), known.weight @ known.keep
        centre = middle + keep * (raw - middle)
        half_width = known.half_width(centre)
    return [
        Drop(
            float(rest.drop[at] + centre[at]),
            float(rest.drop[at] + centre[at] - half_width[at]),
            float(rest.drop[at] + centre[at] + half_width[at]),
            float(rest.drop[at]),
            not bool(sums.compared[at]),
        )
        for at in range(len(rest.drop))
    ]


def _slice(
    conditions: Sequence[Condition], one: tuple[int, ...], members: Array, target: Rows, drop: Drop, p: float
) -> Slice:
    names = tuple(conditions[place].name for place in one)
    images, errors = int(members.sum()), int((~target.right[members].astype(bool)).sum())
    return Slice(names, images, errors, drop.drop, drop.low, drop.high, drop.others, drop.alone, p)

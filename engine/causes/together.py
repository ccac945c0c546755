"""Several causes together: those that would explain most if causes added up, applied, then stronger and weaker.

What is left by the best explanation so far has a kernel of its own: after a large shift of the mean, nothing else shows
in the distance to the target. By it, causes beside any of the best ones are compared with each other, so that the best
cause of all needs not be one of those that are found together: it often is a little of each.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gapscope.causes.candidates import Candidate, Cause, Step
from gapscope.causes.distance import REPLICATES, Terms, resampled
from gapscope.causes.kernel import Kernel
from gapscope.causes.search import COARSE, Explanation, Search
from gapscope.core.random import stream
from gapscope.data.modifications.modification import SEVERITIES

Array = np.ndarray
# How many sets of causes are applied to the first images; how many of these at least with the same causes but for one,
# and how many where that one is of the same family. How many are applied a little weaker and stronger, and how often;
# how many then to more images, at how many severities.
APPLIED, ALIKE, KIN = 24, 4, 2
CLIMBED, TIMES = 8, 2
LATER, LAST, SEVERAL = 4, 3, 3
# How much stronger one cause may be beside another than it is alone, where what both do is predicted.
TWICE = 2.0


@dataclass(frozen=True, eq=False)
class Rest:
    """What an explanation leaves of the distance to the target.

    Attributes
    ----------
    kernel
        Of the images that it makes and the target's.
    """

    search: Search
    explanation: Explanation
    kernel: Kernel

    @classmethod
    def of(cls, search: Search, explanation: Explanation) -> "Rest":
        """That of the explanation."""
        made = search.mixed(explanation, slice(0, len(search.plain)))
        return cls(search, explanation, search.kernel_of(made))

    def explained(self, candidates: Sequence[Candidate], rows: slice) -> dict[Candidate, float]:
        """The share of it that each candidate takes away, with plain images or alone."""
        made = self.search.made(candidates, rows)
        near = Near.of(self, rows)
        return {one: near.explained(self.kernel.scaled(x)) for one, x in zip(candidates, made, strict=True)}

    def share(self, longer: Explanation, rows: slice, columns: slice) -> tuple[float, Array]:
        """The share of it that another explanation takes away, and that of bootstrap samples of the images, each as a
        share of what is left of all of them: of a sample, nothing may be left by chance.
        """
        own, more = self.explanation.candidates, longer.candidates
        grams = self.search.grams([*own, *more], rows, columns, self.kernel)
        shares = np.concatenate([longer.shares[:1], np.zeros(len(own)), longer.shares[1:]])
        before = np.concatenate([self.explanation.shares, np.zeros(len(more))])
        samples = resampled(grams, stream(self.search.features.seed, "explain", "bootstrap"), REPLICATES)
        terms = grams.terms()
        left = max(float(terms.distance(before)), 0.0) or np.inf
        gain, gains = (one.distance(before) - one.distance(shares) for one in (terms, samples))
        return float(gain) / left, gains / left


@dataclass(frozen=True, eq=False)
class Near:
    """How near mixtures of plain images and others come to the target, beside an explanation.

    Attributes
    ----------
    plain, target
        Rows of both as each view has them.
    terms
        Of the plain images alone.
    before
        The distance that the explanation leaves.
    """

    kernel: Kernel
    plain: list[Array]
    target: list[Array]
    different: Array
    terms: Terms
    before: float

    @classmethod
    def of(cls, rest: Rest, rows: slice) -> "Near":
        """By the images at `rows`, and the target's first half."""
        search, kernel, columns = rest.search, rest.kernel, slice(0, rest.search.target.half)
        before = search.grams(rest.explanation.candidates, rows, columns, kernel).terms()
        plain, target = (kernel.scaled(one) for one in (search.plain[rows], search.rows[columns]))
        first = Terms(before.within[:1, :1], before.across[:1], before.target)
        distance = float(before.distance(rest.explanation.shares))
        return cls(kernel, plain, target, search.different[rows, columns], first, distance)

    def explained(self, made: Sequence[Array]) -> float:
        """The share of what was left that the rows, as each view has them, take away."""
        n = len(made[0])
        pairs = 1 - np.eye(n)
        own, beside = ((self.kernel.of_pairs(made, other) * pairs).sum() / pairs.sum() for other in (made, self.plain))
        across = (self.kernel.of_pairs(made, self.target) * self.different).sum() / self.different.sum()
        first = self.terms
        within = np.array([[first.within[0, 0], beside], [beside, own]])
        terms = Terms(within, np.array([first.across[0], across]), first.target)
        return float(1 - terms.distance(terms.best()) / self.before) if self.before > 0 else 0.0


def longer(rest: Rest, bases: Sequence[Candidate], known: Mapping[str, Cause]) -> list[Explanation]:
    """Each of the best of the `bases` with one more cause, the best first."""
    search = rest.search
    singles = [Candidate.of(Step(cause, severity)) for cause in known.values() for severity in COARSE]
    most = len(bases[0].steps) + 1
    alike = max(ALIKE, APPLIED // len({_names(one) for one in bases}))
    applied = _varied(_predicted(rest, bases, singles), alike)
    search.features.of(applied, search.first, f"the best {len(applied)} sets of {most} causes")
    found = rest.explained(applied, search.first)
    for _ in range(TIMES):
        near = [one for best in _best_of_each(found)[:CLIMBED] for one in _neighbours(best) if one not in found]
        search.features.of(near, search.first, "the best of them, weaker and stronger")
        found |= rest.explained(near, search.first)
    kept = _of_names(found, [_names(one) for one in _best_of_each(found)[:LATER]])
    search.features.of(kept, search.few, f"the best {LATER} of them on {search.few.stop} images")
    found = rest.explained(kept, search.few)
    names = [_names(one) for one in _best_of_each(found)[:LAST]]
    rows = search.chosen_by
    search.features.of(_of_names(found, names), rows, f"the best {LAST} of them on {rows.stop} images")
    ends = [
        search.explain("+".join(name for name in known if name in one), _of_names(found, [one]), rows) for one in names
    ]
    return sorted(ends, key=lambda one: -rest.share(one, rows, slice(0, search.target.half))[0])


def _predicted(rest: Rest, bases: Sequence[Candidate], singles: Sequence[Candidate]) -> dict[Candidate, float]:
    """What share of the way to the target each of the bases with one more cause of another family goes, if causes added
    up and each were as strong as is best: by mean rows of images that are there, so no network is asked.
    """
    search, rows = rest.search, rest.search.first
    plain = _mean(rest.kernel, search.plain[rows])
    way = _mean(rest.kernel, search.rows[: search.target.half]) - _mean(rest.kernel, search.plain[search.chosen_by])
    moves, more = (
        np.stack([_mean(rest.kernel, x) - plain for x in search.made(some, rows)]) for some in (bases, singles)
    )
    predicted: dict[Candidate, float] = {}
    for base, move in zip(bases, moves, strict=True):
        families = {step.cause.kind.family for step in base.steps}
        others = [place for place, one in enumerate(singles) if one.steps[0].cause.kind.family not in families]
        for place, share in zip(others, _reached(way, move, more[others]), strict=True):
            predicted.setdefault(Candidate.of(*base.steps, *singles[place].steps), share)
    return predicted


def _mean(kernel: Kernel, rows: Array) -> Array:
    """The mean of rows, in units in which the kernel of small shifts is a scalar product."""
    views = zip(kernel.views, kernel.scaled(rows), strict=True)
    return np.concatenate([x.mean(axis=0) * np.sqrt(view.weight) / view.bandwidth for view, x in views])


def _reached(way: Array, move: Array, more: Array) -> Array:
    """The share of the squared ``way : (d,)`` that the `move` and each of ``more : (k, d)`` go together, where one may
    be up to twice as strong as it is beside the other.
    """
    own, across, lengths = move @ move, more @ move, np.square(more).sum(axis=1)
    first, others = move @ way, more @ way
    with np.errstate(divide="ignore", invalid="ignore"):
        best = np.nan_to_num((own * others - across * first) / (lengths * first - across * others), nan=TWICE)
    reached = []
    for ratio in (np.clip(np.where(best > 0, best, TWICE), 1 / TWICE, TWICE), 1 / TWICE, TWICE):
        along = np.maximum(first + ratio * others, 0)
        reached.append(along**2 / (own + 2 * ratio * across + ratio**2 * lengths))
    return np.max(reached, axis=0) / (way @ way)


def _varied(predicted: Mapping[Candidate, float], alike: int) -> list[Candidate]:
    """The best at one severity each, few of them alike but for one cause, and fewer but for one of the same family."""
    seen: Counter[object] = Counter()
    kept = []
    for one in _best_of_each(predicted):
        others = [_names(one) - {step.cause.name} for step in one.steps]
        families = [(some, step.cause.kind.family) for some, step in zip(others, one.steps, strict=True)]
        if (
            len(kept) < APPLIED
            and all(seen[some] < alike for some in others)
            and all(seen[some] < KIN for some in families)
        ):
            kept.append(one)
            seen.update([*others, *families])
    return kept


def _best_of_each(found: Mapping[Candidate, float]) -> list[Candidate]:
    """The best severities of each set of causes, the best set first."""
    best: dict[frozenset[str], Candidate] = {}
    for one in sorted(found, key=lambda one: -found[one]):
        best.setdefault(_names(one), one)
    return list(best.values())


def _of_names(found: Mapping[Candidate, float], names: Iterable[frozenset[str]]) -> list[Candidate]:
    """The best severities of each of the sets of causes."""
    order = sorted(found, key=lambda one: -found[one])
    return [one for some in names for one in [each for each in order if _names(each) == some][:SEVERAL]]


def _names(candidate: Candidate) -> frozenset[str]:
    return frozenset(step.cause.name for step in candidate.steps)


def _neighbours(candidate: Candidate) -> list[Candidate]:
    """One of the causes a little weaker or stronger."""
    return [
        Candidate.of(*(step for step in candidate.steps if step is not one), Step(one.cause, severity))
        for one in candidate.steps
        for severity in (one.severity - 1, one.severity + 1)
        if severity in SEVERITIES
    ]

"""Which phrases fit the target's images more, or less, than the reference's: how far, beyond chance, and at what cost.

A phrase is found where its mean cosine moved beyond chance (Holm's correction for all phrases) and further than any
nonsense: any text moves a little with any shift. The strongest phrase is taken out of all others by regression before
the next one is looked for, so that "a dark photo" does not come a second time as "a photo taken at night".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from gapscope.core.random import stream
from gapscope.inference import adjusted, interval_of
from gapscope.words.similarity import Similarities
from gapscope.words.texts import Texts

Array = np.ndarray
LEVEL = 0.05
MOST, SHOWN = 8, 3
BINS, LEAST_OF_BIN = 10, 10
REPLICATES = 400
# Phrases that share so much of their variance with one that was found are listed with it.
ALIKE = 0.5
# What is left of the variance of a phrase whose others were taken out; less is rounding, or the same phrase.
LEAST_LEFT = 0.05
# What images fit says more than what they do not: a phrase that fits less must move so much more to be named first.
LESS = 0.8


class Points(NamedTuple):
    """What the movement of a phrase costs: the accuracy on reference images, weighted so that the phrase fits them as
    it fits the target's, minus that on all of them, with a 95 % interval; negative where accuracy is lost.
    """

    value: float
    low: float
    high: float

    @property
    def matters(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0


class MovedPhrase(NamedTuple):
    """A phrase that moved.

    Attributes
    ----------
    change
        Difference of the mean cosines, target minus reference, at the same class mix where labels allow it, with what
        phrases found before it explain taken out.
    above
        How often an image of the target fits it better than one of the reference.
    p
        Two-sided, adjusted for all phrases.
    nonsense
        The largest change of a nonsense phrase, as a share of this one.
    alike
        Other phrases that move with it.
    points
        None without a model's answers on the reference.
    """

    text: str
    group: str
    change: float
    above: float
    p: float
    nonsense: float
    alike: tuple[str, ...]
    points: Points | None


class Row(NamedTuple):
    """One phrase of the table: the change of its cosine by itself, and what the way from features to texts carries."""

    text: str
    group: str
    change: float
    above: float
    p: float
    r2: float | None


@dataclass(frozen=True)
class Findings:
    """Phrases that moved, the strongest first, and all phrases.

    Attributes
    ----------
    same_mix
        Whether the sets were compared at the same class mix.
    refused
        Phrases that the map from features to texts does not carry.
    """

    found: tuple[MovedPhrase, ...]
    rows: tuple[Row, ...]
    same_mix: bool
    refused: int


@dataclass(eq=False)
class Moments:
    """Differences of means, covariance within the sets, and the error of a difference in standard deviations."""

    difference: Array
    covariance: Array
    error: float

    @classmethod
    def of(cls, reference: Array, weights: Array, target: Array) -> "Moments":
        """Of ``reference : (n, q)`` with `weights` that sum to 1, and ``target : (m, q)``."""
        before, after = weights @ reference, target.mean(axis=0)
        centred, moved = reference - before, target - after
        within = (centred * weights[:, None]).T @ centred + moved.T @ moved / len(moved)
        return cls((after - before).astype(np.float64), within.astype(np.float64) / 2,
                   float(np.sqrt((weights**2).sum() + 1 / len(target))))  # fmt: skip

    def without(self, place: int) -> "Moments":
        """With what one column explains of all others taken out."""
        slope = self.covariance[:, place] / self.covariance[place, place]
        left = self.covariance - np.outer(slope, self.covariance[place])
        return Moments(self.difference - slope * self.difference[place], left, self.error)


class Sets(NamedTuple):
    """Both sets, and weights of the reference's images, sum 1, that give it the target's class mix if it is known."""

    reference: Similarities
    weights: Array
    target: Similarities


def findings(
    reference: Similarities, target: Similarities, texts: Texts, carried: Array, r2: Array | None, seed: int = 0
) -> Findings:
    """Compare two sets; ``O((n + m) q²)`` for q texts, some seconds for 20,000 images each.

    Parameters
    ----------
    carried : (p + m,) bool
        Which texts, phrases before nonsense, the way from features carries.
    r2 : (p + m,) or None
        How well it does.
    """
    weights, same_mix = mix_weights(reference, target)
    sets, phrases = Sets(reference, weights, target), np.arange(len(carried)) < len(texts.phrases)
    moments = Moments.of(reference.values, weights, target.values)
    found = _one_after_the_other(moments, carried & phrases, _null(carried, phrases), sets, texts, seed)
    return Findings(tuple(found), _rows(moments, texts, sets, r2), same_mix, int((phrases & ~carried).sum()))


def _one_after_the_other(
    first: Moments, candidates: Array, null: Array, sets: Sets, texts: Texts, seed: int
) -> Iterator[MovedPhrase]:
    """The strongest phrase, then the strongest of those that are not like it once it is taken out, and so on."""
    moments, variance = first, np.diag(first.covariance).copy()
    for _ in range(MOST):
        same_way = moments.difference * first.difference > 0  # what moves by itself, and not only beside another
        place, p = _strongest(moments, candidates & same_way, null, variance)
        if place is None:
            return
        shared = first.covariance[place] ** 2 / np.maximum(variance * variance[place], np.finfo(float).tiny)
        like = candidates & (shared >= ALIKE) & (moments.difference * moments.difference[place] > 0)
        alike = np.flatnonzero(like & (np.arange(len(candidates)) != place))
        alike = alike[np.argsort(-np.abs(moments.difference[alike]))]
        yield _found(place, p, alike, moments, null, sets, texts, seed)
        candidates = candidates & ~(shared >= ALIKE) & (np.arange(len(candidates)) != place)
        moments = moments.without(place)


def mix_weights(reference: Similarities, target: Similarities) -> tuple[Array, bool]:
    """Weights of the reference's images, sum 1, that give it the target's class mix, and whether labels allow it."""
    known = reference.y >= 0
    if not known.any() or not (target.y >= 0).any():
        return np.full(len(known), 1 / len(known)), False
    classes = int(max(reference.y.max(), target.y.max())) + 1
    before, after = (np.bincount(one[one >= 0], minlength=classes) for one in (reference.y, target.y))
    ratio = np.where(before > 0, after / np.maximum(before, 1), 0.0)
    weights = np.where(known, ratio[reference.y], 0.0)
    if not weights.sum():
        return np.full(len(known), 1 / len(known)), False
    return weights / weights.sum(), True


def _null(carried: Array, phrases: Array) -> Array:
    """The nonsense that the way carries; all of it where that is little."""
    some = carried & ~phrases
    return some if some.sum() >= 0.3 * (~phrases).sum() else ~phrases


def _p(moments: Moments, variance: Array) -> Array:
    """Two-sided p of each difference; 1 where nothing is left of a phrase."""
    own = np.diag(moments.covariance)
    left = own > LEAST_LEFT * variance
    z = np.abs(moments.difference) / (np.sqrt(np.where(left, own, 1.0)) * moments.error)
    return np.where(left, 2 * ndtr(-z), 1.0)


def _strongest(moments: Moments, candidates: Array, null: Array, variance: Array) -> tuple[int | None, float]:
    """The candidate that moved most, with its p, if it moved beyond chance and beyond nonsense; None otherwise."""
    p = _p(moments, variance)
    places = np.flatnonzero(candidates & (p < 1))
    if not len(places):
        return None, 1.0
    corrected, difference = adjusted(p[places], "holm"), moments.difference[places]
    best = int(np.argmax(np.where(difference > 0, difference, -LESS * difference)))
    beyond = abs(difference[best]) > np.abs(moments.difference[null]).max()
    return (int(places[best]), float(corrected[best])) if beyond and corrected[best] <= LEVEL else (None, 1.0)


def _found(
    place: int, p: float, alike: Array, moments: Moments, null: Array, sets: Sets, texts: Texts, seed: int
) -> MovedPhrase:
    change = float(moments.difference[place])
    nonsense = float(np.abs(moments.difference[null]).max() / abs(change))
    names = tuple(texts.phrases[one].text for one in alike[:SHOWN].tolist())
    return MovedPhrase(
        *texts.phrases[place], change, _above(place, sets), p, nonsense, names, points(place, sets, seed)
    )


def _above(place: int, sets: Sets) -> float:
    """How often a target image fits a phrase better than a reference image, ties counting half."""
    order = np.argsort(sets.reference.values[:, place], kind="stable")
    values, total = sets.reference.values[order, place], np.append(0.0, np.cumsum(sets.weights[order]))
    low, high = (np.searchsorted(values, sets.target.values[:, place], side) for side in ("left", "right"))
    return float(((total[low] + total[high]) / 2).mean())


def points(place: int, sets: Sets, seed: int = 0) -> Points | None:
    """What the movement of a phrase costs by the reference's accuracy in ten bins of it; None without known answers.

    The interval is by a Bayesian bootstrap of the images of both sets.
    """
    reference, weights, target = sets
    known = (reference.right >= 0) & (weights > 0)
    if known.sum() < BINS * LEAST_OF_BIN:
        return None
    values, mass, right = reference.values[known, place], weights[known], reference.right[known].astype(np.float64)
    edges = np.quantile(values, np.arange(1, BINS) / BINS)
    before, after = (np.searchsorted(edges, one, "right") for one in (values, target.values[:, place]))
    rng, same = stream(seed, "words", str(place)), np.ones(len(after))
    draws = [
        _change(before, mass * rng.standard_exponential(len(mass)), right, after, rng.standard_exponential(len(after)))
        for _ in range(REPLICATES)
    ]
    return Points(_change(before, mass, right, after, same), *interval_of(np.array(draws)))


def _change(before: Array, mass: Array, right: Array, after: Array, drawn: Array) -> float:
    """The accuracy at the shares that bins have in the target, minus that at their shares in the reference."""
    weight = np.bincount(before, mass, BINS)
    accuracy = np.bincount(before, mass * right, BINS) / np.maximum(weight, 1e-300)
    share = np.bincount(after, drawn, BINS)
    return float(((share / share.sum() - weight / weight.sum()) * accuracy).sum())


def _rows(moments: Moments, texts: Texts, sets: Sets, r2: Array | None) -> tuple[Row, ...]:
    """All phrases, those that moved most first."""
    count = len(texts.phrases)
    p = adjusted(_p(moments, np.diag(moments.covariance))[:count], "holm")
    order = np.argsort(-np.abs(moments.difference[:count]), kind="stable")
    return tuple(
        Row(*texts.phrases[one], float(moments.difference[one]), _above(one, sets), float(p[one]),
            None if r2 is None else float(r2[one]))
        for one in order.tolist()
    )  # fmt: skip

"""Which classes really lost more accuracy than the others, and which only seem to, for want of rows.

With 10 images for each of 1,000 classes, sampling error alone gives one class a drop of more than 50 points. So the
observed drops are drawn towards their mean as far as their noise demands (*shrunk*), they are tested for being all
alike, and a class is named only when it stands out among all that were looked at.

All p-values come from one simulation: every class drops by the common drop, the accuracies of classes are as unequal
as they are here, and all that is done to the data is done to each simulated set. A class's statistic is compared with
those of all simulated classes together, which resolves p-values of 1 / (classes x simulations). Of a simulated tail the
upper bound is taken (two standard errors), so that chance in the simulation names no class.

References
----------
DerSimonian and Laird (1986), Cochran (1954): heterogeneity. `gapscope.inference.shrunk` has those of the drawing in.
Benjamini and Hochberg (1995). Phipson and Smyth (2010): simulated p-values are never 0.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from gapscope.core.random import stream
from gapscope.gaps.difference import two_sided
from gapscope.gaps.mix import Counts
from gapscope.inference import adjusted
from gapscope.inference.shrunk import NORMAL, by_spread

Array = np.ndarray
SIMULATIONS = 500
# So many simulated classes at least, where there are few classes; and at most in memory at once.
LEAST_SIMULATED, BLOCK = 20_000, 2_000_000
LARGEST_CERTAINTY = 1e9
# The least variance of one prediction: that of a class of which one in 200 is wrong.
COIN = 0.005
# Equal scores may differ by rounding.
SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class ClassDrops:
    """The drop of each class, reference accuracy less target accuracy; arrays are ``(k,)``, NaN for a class that lacks
    rows on a side.

    Attributes
    ----------
    raw
        As observed.
    shrunk, low, high
        Posterior mean and 95 % interval: what the class's own rows and all other classes say together.
    p
        Two-sided, of this class having lost as many points as all others.
    adjusted_p, flagged
        After Benjamini-Hochberg, and whether that is at most the level.
    probability_worse
        Posterior probability that the class's drop is above the mean.
    error
        Standard error of the raw drop.
    keep
        Share of the way from the mean to the raw drop at which the shrunk drop stands.
    mean, spread
        Of the drops of classes, beyond noise; of the spread, the posterior median.
    common
        The common drop under test (Mantel-Haenszel).
    homogeneity_statistic, homogeneity_p
        Cochran's Q with smoothed variances; p by simulation, 1 for a single class.
    detectable
        Drop that one lone class needs to survive Benjamini-Hochberg: the common drop and as many standard errors of the
        median class as a normal tail of level / classes has.
    expected_worst
        Average of the largest raw drop if all classes dropped alike.
    simulations
        That these rest on.
    """

    raw: Array
    shrunk: Array
    low: Array
    high: Array
    p: Array
    adjusted_p: Array
    flagged: Array
    probability_worse: Array
    error: Array
    keep: Array
    mean: float
    spread: float
    common: float
    homogeneity_statistic: float
    homogeneity_p: float
    detectable: float
    expected_worst: float
    simulations: int

    @property
    def tested(self) -> int:
        """Number of classes with rows on both sides."""
        return int(np.isfinite(self.raw).sum())

    @property
    def worst(self) -> int:
        """Index of the class with the largest raw drop; -1 where there is none."""
        return int(np.nanargmax(self.raw)) if self.tested else -1


def class_drops(
    right_reference: Array,
    n_reference: Array,
    right_target: Array,
    n_target: Array,
    *,
    seed: int = 0,
    level: float = 0.05,
    simulations: int = SIMULATIONS,
) -> ClassDrops:
    """The drops of k classes from correct predictions and rows of each, ``(k,)`` integers; about 1 s for 1,000.

    Memory: about 100 MB at any k, and 8 bytes for each class and simulation.
    """
    columns = [np.asarray(one, np.float64) for one in (right_reference, n_reference, right_target, n_target)]
    both = (columns[1] > 0) & (columns[3] > 0)
    if not both.any():
        return _none(len(both))
    sides = (Counts(columns[0][both], columns[1][both]), Counts(columns[2][both], columns[3][both]))
    seen = _Standing.of(*sides)
    null = _simulated(seen, sides, simulations, stream(seed, "class drops"))
    p = _p_values(seen.score, null.score)
    posterior = _posterior(seen.raw, seen.error)
    worst = ndtri(1 - level / seen.raw.size)
    result = {
        "raw": seen.raw,
        "error": seen.error,
        **posterior.columns(),
        "p": p,
        "adjusted_p": adjusted(p),
    }
    wide = {name: _widened(column, both) for name, column in result.items()}
    return ClassDrops(
        **wide,
        flagged=np.nan_to_num(wide["adjusted_p"], nan=1.0) <= level,
        mean=posterior.centre,
        spread=posterior.spread,
        common=float(seen.common),
        homogeneity_statistic=float(seen.heterogeneity),
        homogeneity_p=_upper(seen.heterogeneity, null.heterogeneity) if seen.raw.size > 1 else 1.0,
        detectable=float(seen.common + worst * np.median(seen.error)),
        expected_worst=float(null.worst.mean()),
        simulations=len(null.worst),
    )


class _Standing(NamedTuple):
    """Where classes stand under the hypothesis that all drop alike; arrays ``(..., k)`` for replicates in front.

    Attributes
    ----------
    raw, error, score
        Drop, its standard error, and how many of them it lies above the common drop.
    common, heterogeneity : (...)
        Mantel-Haenszel's common drop, and Cochran's Q.
    alpha, beta
        Of the beta posterior of each class's reference accuracy.
    """

    raw: Array
    error: Array
    score: Array
    common: Array
    heterogeneity: Array
    alpha: Array
    beta: Array

    @classmethod
    def of(cls, reference: Counts, target: Counts) -> "_Standing":
        raw = reference.right / reference.rows - target.right / target.rows
        weight = reference.rows * target.rows / (reference.rows + target.rows)
        common = (weight * raw).sum(axis=-1, keepdims=True) / weight.sum(axis=-1, keepdims=True)
        alpha, beta = _accuracies(reference, target, common)
        error = np.sqrt(_noise(alpha, beta, common, reference.rows, target.rows))
        score = (raw - common) / error
        return cls(raw, error, score, common[..., 0], (score**2).sum(axis=-1), alpha, beta)


def _accuracies(reference: Counts, target: Counts, common: Array) -> tuple[Array, Array]:
    """Beta posteriors of the classes' reference accuracies, if the target's are those less the `common` drop.

    The prior is fitted by moments: what the accuracies of classes vary beyond binomial noise.
    """
    rows = reference.rows + target.rows
    right = np.clip(reference.right + target.right + target.rows * common, 0.0, rows)
    mean = np.clip(right.sum(axis=-1, keepdims=True) / rows.sum(axis=-1, keepdims=True), 0.01, 0.99)
    lower = np.clip(mean - common, 0.01, 0.99)
    noise = (reference.rows * mean * (1 - mean) + target.rows * lower * (1 - lower)) / rows**2
    excess = ((right / rows - mean) ** 2 - noise).mean(axis=-1, keepdims=True)
    certainty = np.clip(mean * (1 - mean) / np.maximum(excess, 1e-12) - 1, 0.5, LARGEST_CERTAINTY)
    return mean * certainty + right, (1 - mean) * certainty + rows - right


def _noise(alpha: Array, beta: Array, common: Array, n: Array, m: Array) -> Array:
    """Expected sampling variance of the raw drop, from what is known of both accuracies."""
    size = alpha + beta
    accuracy = alpha / size
    spread = accuracy * (1 - accuracy) / (size + 1)
    lower = np.clip(accuracy - common, 0.0, 1.0)
    variances = (np.maximum(a * (1 - a) - spread, 0.0) for a in (accuracy, lower))
    return sum(np.maximum(v, COIN / rows) / rows for v, rows in zip(variances, (n, m), strict=True))


class _Null(NamedTuple):
    """What the simulated sets show: all scores in one sorted run, Q and the largest raw drop of each."""

    score: Array
    heterogeneity: Array
    worst: Array


def _simulated(seen: _Standing, sides: tuple[Counts, Counts], simulations: int, rng: np.random.Generator) -> _Null:
    classes = seen.raw.size
    total = max(simulations, LEAST_SIMULATED // classes)
    block = max(1, BLOCK // classes)
    made = [_one_block(seen, sides, min(block, total - start), rng) for start in range(0, total, block)]
    score, heterogeneity, worst = (np.concatenate(one) for one in zip(*made, strict=True))
    return _Null(np.sort(score), heterogeneity, worst)


def _one_block(
    seen: _Standing, sides: tuple[Counts, Counts], count: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Scores, Q and the largest drop of `count` simulated sets in which all classes drop alike."""
    common = float(seen.common)
    accuracy = rng.beta(seen.alpha, seen.beta, (count, seen.raw.size))
    accuracy = np.clip(accuracy, max(common, 0.0), min(1.0 + common, 1.0))
    lower = np.clip(accuracy - common, 0.0, 1.0)
    drawn = [
        Counts(rng.binomial(side.rows.astype(np.int64), one).astype(np.float64), side.rows)
        for side, one in zip(sides, (accuracy, lower), strict=True)
    ]
    standing = _Standing.of(*drawn)
    return standing.score.ravel(), standing.heterogeneity, standing.raw.max(axis=-1)


def _p_values(score: Array, null: Array) -> Array:
    """Two-sided p-values of scores against the sorted simulated ones."""
    if score.size == 1:
        return np.ones(1)
    above = null.size - np.searchsorted(null, score - SLACK, side="left")
    below = np.searchsorted(null, score + SLACK, side="right")
    return two_sided(*(_bound(count, null.size) for count in (below, above)))


def _bound(count: Array, size: int) -> Array:
    """A share of the simulated scores, two standard errors up."""
    return (1 + count + 2 * np.sqrt(1.0 + count)) / (1 + size)


def _upper(value: Array, null: Array) -> float:
    return float((1 + (null >= value - SLACK).sum()) / (1 + null.size))


class _Posterior(NamedTuple):
    """The drops under a normal distribution of drops with unknown mean and spread."""

    shrunk: Array
    low: Array
    high: Array
    probability_worse: Array
    keep: Array
    centre: float
    spread: float

    def columns(self) -> dict[str, Array]:
        return {name: getattr(self, name) for name in ("shrunk", "low", "high", "probability_worse", "keep")}


def _posterior(raw: Array, error: Array) -> _Posterior:
    """Posterior of each drop, as a share of the way from the mean drop to that seen."""
    if raw.size == 1:
        half = NORMAL * error
        return _Posterior(raw, *_within(raw, half), np.full(1, 0.5), np.ones(1), float(raw[0]), 0.0)
    known = by_spread(raw, error)
    centre, keep = float(known.weight @ known.mean), known.weight @ known.keep
    shrunk = centre + keep * (raw - centre)
    half = known.half_width(shrunk)
    doubt = np.sqrt(known.own + known.keep**2 * known.doubt[:, None])
    away = np.divide(known.apart, doubt, out=np.zeros_like(doubt), where=doubt > 0)
    worse = known.weight @ np.where(doubt > 0, ndtr(away), 0.5)
    return _Posterior(shrunk, *_within(shrunk, half), worse, keep, centre, known.median)


def _within(drop: Array, half: Array) -> tuple[Array, Array]:
    """The interval of drops, which cannot be more than all."""
    return np.maximum(drop - half, -1.0), np.minimum(drop + half, 1.0)


def _widened(column: Array, where: Array) -> Array:
    wide = np.full(len(where), np.nan)
    wide[where] = column
    return wide


def _none(classes: int) -> ClassDrops:
    empty, nan = np.full(classes, np.nan), float("nan")
    flagged = np.zeros(classes, bool)
    numbers = {"mean": nan, "spread": nan, "common": nan, "homogeneity_statistic": nan, "homogeneity_p": nan}
    columns = dict.fromkeys(("raw", "shrunk", "low", "high", "p", "adjusted_p", "probability_worse"), empty)
    extra = {"error": empty, "keep": empty, "detectable": nan, "expected_worst": nan, "simulations": 0}
    return ClassDrops(**columns, flagged=flagged, **numbers, **extra)

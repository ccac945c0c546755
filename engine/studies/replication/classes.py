"""Which classes really fell, for each model and for all models together.

Models classify the same images, so their class drops are not independent: what many models show of one class may be
the accident of ten images. Together, each image counts once, with the share of models that are right about it.
"""

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import ndtr, ndtri

from gapscope.core.random import stream
from gapscope.gaps.classes import class_drops
from gapscope.inference.multiplicity import adjusted
from gapscope.studies.replication.predictions import SetPredictions

LEVEL = 0.05
# So many simulated classes for each class, within bounds: they resolve p-values of one in as many, ten times as small
# as any that the correction for all classes asks for.
SIMULATED, LEAST_SIMULATED, MOST_SIMULATED = 200, 20_000, 200_000
# Images of a class whose mean score is normal whatever the law of a score: a million of them are not drawn.
MANY = 1000
# Levels are kept this far from 0 and 1, and equal scores may differ by rounding.
EDGE, SLACK = 0.01, 1e-9


def class_section(reference: SetPredictions, target: SetPredictions, seed: int) -> dict[str, Any]:
    """Class drops of each model, and of the mean model with its test against noise."""
    by_model = {model: _of_model(reference, target, model, seed) for model in reference.models}
    flagged = np.array([one.flagged for one in by_model.values()])
    typical = reference.models[int(np.argsort(reference.accuracy)[len(reference.models) // 2])]
    return {
        "typical": typical,
        "models": {model: _of_drops(one) for model, one in by_model.items()},
        "flagged_in_models": flagged.sum(axis=0),
        "raw_typical": by_model[typical].raw,
        "shrunk_typical": by_model[typical].shrunk,
        "by_noise": _by_noise(*_counts(reference, target, typical), seed),
        **pooled_drops(reference, target, seed),
    }


def _counts(reference: SetPredictions, target: SetPredictions, model: str) -> tuple[np.ndarray, ...]:
    return (*reference.of_model(model).counts(), *target.of_model(model).counts())


def _of_model(reference: SetPredictions, target: SetPredictions, model: str, seed: int):
    return class_drops(*_counts(reference, target, model), seed=seed, level=LEVEL)


def _of_drops(drops) -> dict[str, Any]:
    """What the page says of one model's class drops."""
    worst = drops.worst
    return {
        "common": drops.common,
        "mean": drops.mean,
        "spread": drops.spread,
        "homogeneity_p": drops.homogeneity_p,
        "flagged": int(np.sum(drops.flagged)),
        "worst": worst,
        "worst_raw": drops.raw[worst],
        "worst_shrunk": drops.shrunk[worst],
        "expected_worst": drops.expected_worst,
        "detectable": drops.detectable,
    }


def _by_noise(right_reference, n_reference, right_target, n_target, seed: int) -> np.ndarray:
    """Drops ``(k,)`` of one draw in which every class keeps its own difficulty and loses the same accuracy."""
    rng = stream(seed, "study", "equal drops")
    gap = right_reference.sum() / n_reference.sum() - right_target.sum() / n_target.sum()
    n = n_reference + n_target
    share = (right_reference + right_target) / np.maximum(n, 1)
    before = np.clip(share + gap * n_target / np.maximum(n, 1), 0, 1)
    drawn = rng.binomial(n_reference, before), rng.binomial(n_target, np.clip(before - gap, 0, 1))
    with np.errstate(invalid="ignore"):
        return drawn[0] / n_reference - drawn[1] / n_target


def pooled_drops(reference: SetPredictions, target: SetPredictions, seed: int = 0) -> dict[str, Any]:
    """Drops of the mean model, class by class: raw, shrunk, and tested against no drop and against the mean drop."""
    before, after = _Means(reference), _Means(target)
    there = (before.n > 0) & (after.n > 0)
    raw = np.where(there, before.mean - after.mean, np.nan)
    variance = np.where(there, before.variance + after.variance, np.nan)
    centre, spread = _hyper(raw[there], variance[there])
    kept = spread**2 / (spread**2 + variance)
    shrunk = centre + kept * (raw - centre)
    error = np.sqrt(np.maximum(kept * variance, 0))
    fell, worse = (_Equal(before, after, there, gap).p(seed) for gap in (0.0, float(raw[there].mean())))
    lost, gained = (fell <= LEVEL) & (raw > 0), (fell <= LEVEL) & (raw < 0)
    return {
        "raw": raw,
        "shrunk": shrunk,
        "low": shrunk - ndtri(0.975) * error,
        "high": shrunk + ndtri(0.975) * error,
        "centre": centre,
        "spread": spread,
        "noise": float(np.sqrt(np.nanmean(variance))),
        "raw_spread": float(np.nanstd(raw, ddof=1)) if there.sum() > 1 else 0.0,
        "p_fell": fell,
        "p_worse": worse,
        "fell": lost,
        "rose": gained,
        "worse": (worse <= LEVEL) & (raw > centre),
        "milder": (worse <= LEVEL) & (raw < centre),
        "share_that_fell": float(np.nanmean(ndtr(shrunk / np.maximum(error, 1e-12)))),
    }


class _Means:
    """Mean score of the images of each class and the variance of that mean.

    The score of an image is the share of models that are right, so that it varies less than a coin: its variance is
    ``dispersion * mean (1 - mean)``, with one dispersion for all classes, because ten images do not tell a class's own.
    """

    def __init__(self, predictions: SetPredictions):
        score = predictions.correct.mean(axis=1)
        self.n = predictions.by_class(np.ones(predictions.n))
        least = np.maximum(self.n, 1)
        self.mean = predictions.by_class(score) / least
        inside = predictions.by_class((score - self.mean[predictions.label]) ** 2).sum()
        coins = (np.maximum(self.n - 1, 0) * self.mean * (1 - self.mean)).sum()
        ratio = inside / coins if coins else 1.0
        # A mean of n images lies nearer to its own images than the true one.
        self.dispersion = ratio / (1 + ratio / max(self.n.mean(), 1))
        smooth = (self.n * self.mean + 2 * score.mean()) / (self.n + 2)
        self.variance = self.dispersion * smooth * (1 - smooth) / least


class _Equal:
    """The test that each class lost `gap`, by simulated classes of which that is true.

    The score of a class is its drop less the gap, over the standard error that follows from the images of both sides
    together. With ten images that score is no normal number; so it is compared with those of all classes of simulated
    sets, whose images have beta-distributed scores with the dispersion of the real ones.
    """

    def __init__(self, before: _Means, after: _Means, there: np.ndarray, gap: float):
        self.sides, self.there, self.gap = (before, after), there, gap
        self.n, self.m = (side.n[there].astype(np.int64) for side in self.sides)
        self.seen = tuple(side.mean[there] for side in self.sides)

    def p(self, seed: int) -> np.ndarray:
        """Two-sided p-values ``(k,)``, corrected by Benjamini-Hochberg; NaN for classes that lack images."""
        rng = stream(seed, "study", "equal classes", f"{self.gap:.12f}")
        before, after = self._levels()
        classes = len(self.n)
        simulations = -(-min(max(SIMULATED * classes, LEAST_SIMULATED), MOST_SIMULATED) // classes)
        null = [np.abs(self._score(*self._drawn(before, after, rng))) for _ in range(simulations)]
        null = np.sort(np.concatenate(null))
        beyond = len(null) - np.searchsorted(null, np.abs(self._score(*self.seen)) - SLACK)
        p = np.full(len(self.there), np.nan)
        p[self.there] = adjusted((1 + beyond) / (1 + len(null)), "bh")
        return p

    def _base(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Level of each class before its loss, from both sides together."""
        together = (self.n * before + self.m * (after + self.gap)) / (self.n + self.m)
        return (together * (self.n + self.m) + np.mean(together)) / (self.n + self.m + 1)

    def _score(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        base = self._base(before, after)
        levels = (np.clip(level, EDGE, 1 - EDGE) for level in (base, base - self.gap))
        variance = sum(
            side.dispersion * level * (1 - level) / rows
            for side, level, rows in zip(self.sides, levels, (self.n, self.m), strict=True)
        )
        return (before - after - self.gap) / np.sqrt(variance)

    def _levels(self) -> tuple[np.ndarray, np.ndarray]:
        """Levels of the simulated classes: as unequal as the real ones are beyond noise, before and after the loss."""
        base = self._base(*self.seen)
        noise = self.sides[0].dispersion * base * (1 - base) / (self.n + self.m)
        between = max(float(np.var(base) - noise.mean()), 0.0)
        level = base.mean() + np.sqrt(between / max(float(np.var(base)), 1e-12)) * (base - base.mean())
        return tuple(np.clip(one, EDGE, 1 - EDGE) for one in (level, level - self.gap))

    def _drawn(self, before: np.ndarray, after: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """Mean scores of the classes of one simulated set, before and after."""
        sides = zip(self.sides, (before, after), (self.n, self.m), strict=True)
        return [_mean_scores(side.dispersion, level, rows, rng) for side, level, rows in sides]


def _mean_scores(dispersion: float, level: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means ``(k,)`` of so many beta-distributed scores of each class; of many by the normal law, which they follow."""
    share = min(max(dispersion, 0.01), 0.99)
    mass, few = 1 / share - 1, rows <= MANY
    owner = np.repeat(np.flatnonzero(few), rows[few])
    score = rng.beta(mass * level[owner], mass * (1 - level[owner]))
    means = np.bincount(owner, score, minlength=len(rows)) / rows
    means[~few] = rng.normal(level[~few], np.sqrt(share * level[~few] * (1 - level[~few]) / rows[~few]))
    return means


def _hyper(raw: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """Mean and spread of normal class drops seen with known noise, by maximum likelihood."""

    def centre(spread: float) -> float:
        return float(np.average(raw, weights=1 / (spread**2 + variance)))

    def minus_likelihood(spread: float) -> float:
        total = spread**2 + variance
        return float((np.log(total) + (raw - centre(spread)) ** 2 / total).sum())

    optimum = minimize_scalar(minus_likelihood, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-6})
    spread = float(optimum.x) if minus_likelihood(optimum.x) < minus_likelihood(0.0) else 0.0
    return centre(spread), spread

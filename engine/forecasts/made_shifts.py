"""Shifts that are made from the labelled reference, whose accuracies are known: what back-tests are learnt from.

Some take other rows of it: other shares of the classes, less confident rows, rows that are harder than they look.
Others change its features: noise, features that vanish or change places, a pull to the mean, a step to a side or from
class to class, a mixture with other rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from zlib import crc32

import numpy as np

from gapscope.core.random import stream
from gapscope.forecasts.scored import Scored

Array = np.ndarray
SEVERITIES = (0.1, 0.25, 0.4, 0.6, 0.8, 1.0)
# Draws of each severity where rows are taken anew; rows that a made set has at most; fewest rows to make shifts from.
DRAWS, MOST, FEWEST = 2, 2000, 200


class MadeShift(NamedTuple):
    """A shift of one kind: what is known, and the set whose labels are only looked at to learn how far methods err."""

    kind: str
    source: Scored
    target: Scored


def halves(source: Scored, seed: int) -> tuple[Array, Array]:
    """Positions of two random halves of the rows: one to learn from, one to make sets of."""
    order = stream(seed, "forecast", "halves").permutation(source.n)
    return np.sort(order[: source.n // 2]), np.sort(order[source.n // 2 :])


def shifts_of_rows(source: Scored, seed: int) -> Iterator[MadeShift]:
    """Sets of other rows of a labelled reference."""
    first, second = halves(source, seed)
    known, pool = source.taken(first), source.taken(second)
    for kind, weigh in WEIGHTS.items():
        for severity in SEVERITIES:
            for draw in range(DRAWS):
                rng = stream(seed, "forecast", kind, str(severity), str(draw))
                weights = weigh(pool, severity, rng)
                rows = rng.choice(pool.n, min(pool.n, MOST), p=weights / weights.sum())
                yield MadeShift(kind, known, pool.taken(rows))


def _other_classes(pool: Scored, severity: float, rng: np.random.Generator) -> Array:
    """Class shares drawn anew, ever less even."""
    shares = rng.dirichlet(np.full(pool.classes, 2 * (1.1 - severity)))
    return shares[pool.label] + 1e-6


def _less_confident(pool: Scored, severity: float, rng: np.random.Generator) -> Array:
    """Rows more often the less sure the model is of them."""
    return np.exp(-4 * severity * _rank(pool, rng))


def _harder(pool: Scored, severity: float, rng: np.random.Generator) -> Array:
    """The same, and among rows that look alike the wrong ones more often."""
    return _less_confident(pool, severity, rng) * np.where(pool.right, 1.0, 1 + rng.uniform(0, 4) * severity)


WEIGHTS: dict[str, Callable[[Scored, float, np.random.Generator], Array]] = {
    "class shares": _other_classes,
    "less confident rows": _less_confident,
    "harder rows": _harder,
}


def _rank(pool: Scored, rng: np.random.Generator) -> Array:
    """How sure the model is, as a rank between 0 and 1; by the other models where there is no confidence."""
    sure = pool.confidence
    if sure is None:
        sure = (pool.heads.predicted == pool.predicted[:, None]).mean(axis=1)
    return np.argsort(np.lexsort((rng.random(pool.n), sure))) / max(pool.n - 1, 1)


@dataclass(frozen=True, eq=False)
class FeatureChange:
    """Picklable: rows of features behind a change of one kind.

    Attributes
    ----------
    mean, deviation : (d,)
        Of the reference.
    means : (c, d)
        Of its classes.
    """

    kind: str
    severity: float
    mean: Array
    deviation: Array
    means: Array
    seed: int

    def __call__(self, x: Array) -> Array:
        """The same for the same rows."""
        fixed = stream(self.seed, "forecast", self.kind)
        rng = stream(self.seed, "forecast", self.kind, str(crc32(np.ascontiguousarray(x).tobytes())))
        changed = CHANGES[self.kind](self, np.asarray(x, np.float64), fixed, rng)
        return changed.astype(np.float32)


def _noise(one: FeatureChange, x: Array, fixed: np.random.Generator, rng: np.random.Generator) -> Array:
    return x + 1.5 * one.severity * one.deviation * rng.standard_normal(x.shape)


def _vanishing(one: FeatureChange, x: Array, fixed: np.random.Generator, rng: np.random.Generator) -> Array:
    return np.where(fixed.random(x.shape[1]) < 0.9 * one.severity, one.mean, x)


def _pull(one: FeatureChange, x: Array, fixed: np.random.Generator, rng: np.random.Generator) -> Array:
    return one.mean + (1 - 0.9 * one.severity) * (x - one.mean)


def _step(one: FeatureChange, x: Array, fixed: np.random.Generator, rng: np.random.Generator) -> Array:
    return x + 1.5 * one.severity * one.deviation * fixed.standard_normal(x.shape[1])


def _mixture(one: FeatureChange, x: Array, fixed: np.random.Generator, rng: np.random.Generator) -> Array:
    share = 0.5 * one.severity
    return (1 - share) * x + share * x[rng.permutation(len(x))]


def _overlay(one: FeatureChange, x: Array, fixed: np.random.Generator, rng: np.random.Generator) -> Array:
    return (1 - 0.5 * one.severity) * x + 0.5 * one.severity * x[:1]


def _swapped(one: FeatureChange, x: Array, fixed: np.random.Generator, rng: np.random.Generator) -> Array:
    """Features in each other's places, in units of their own deviations."""
    d = x.shape[1]
    places = fixed.permutation(d)[: max(2, round(0.6 * one.severity * d))]
    unit = np.where(one.deviation > 0, one.deviation, 1.0)
    inside, order = (x - one.mean) / unit, np.arange(d)
    order[np.sort(places)] = places
    return one.mean + unit * inside[:, order]


def _class_step(one: FeatureChange, x: Array, fixed: np.random.Generator, rng: np.random.Generator) -> Array:
    """One step for all rows, as from one class to another."""
    start, end = stream(one.seed, "forecast", one.kind, str(one.severity)).choice(len(one.means), 2, replace=False)
    return x + 0.7 * one.severity * (one.means[end] - one.means[start])


def _nearly_another(one: FeatureChange, x: Array, fixed: np.random.Generator, rng: np.random.Generator) -> Array:
    """Every row a part of the way from the nearest class to the second nearest."""
    unit = np.where(one.deviation > 0, one.deviation, 1.0)
    means = one.means / unit
    near = np.argsort(np.square(means).sum(axis=1) - 2 * (x / unit) @ means.T, axis=1)[:, :2]
    return x + 0.7 * one.severity * (one.means[near[:, 1]] - one.means[near[:, 0]])


CHANGES: dict[str, Callable[[FeatureChange, Array, np.random.Generator, np.random.Generator], Array]] = {
    "noise": _noise,
    "vanishing features": _vanishing,
    "pull to the mean": _pull,
    "step": _step,
    "mixture": _mixture,
    "overlay": _overlay,
    "swapped features": _swapped,
    "step between classes": _class_step,
    "nearly another class": _nearly_another,
}

BETWEEN_CLASSES = ("step between classes", "nearly another class")


def feature_changes(mean: Array, deviation: Array, means: Array, seed: int) -> Iterator[FeatureChange]:
    """All changes, by the reference's `mean` and `deviation`, ``(d,)``, and its classes' ``means : (c, d)``."""
    made = partial(FeatureChange, mean=mean, deviation=deviation, means=means, seed=seed)
    kinds = [kind for kind in CHANGES if len(means) > 1 or kind not in BETWEEN_CLASSES]
    return (made(kind, severity) for kind in kinds for severity in SEVERITIES)

"""The accuracy that a set's distance alone lets expect, learnt from all causes that were applied to the reference.

Every cause at two severities is a set whose distance and accuracy are known; accuracy falls about linearly with the
square root of the squared discrepancy of the features. The target's labels are not looked at.

References
----------
Deng and Zheng (2021), "Are labels always necessary for classifier accuracy evaluation?".
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gapscope.causes.candidates import Candidate, Cause, Step
from gapscope.causes.proof import correct
from gapscope.causes.search import COARSE, Search
from gapscope.probes.model import Classifier

Array = np.ndarray
# Fewer labelled images say nothing about the accuracy after a cause.
LEAST_LABELLED = 20
HELD = 0.95


class Expected(NamedTuple):
    """An accuracy with the interval that held 95 % of the errors on families of causes that it was not learnt from,
    and the number of sets it was learnt from.
    """

    value: float
    low: float
    high: float
    sets: int


def expected_accuracy(
    search: Search, known: Mapping[str, Cause], model: Classifier, accuracy: float
) -> Expected | None:
    """Of the target, where the reference has this accuracy; None with too few labels, or where the target is further
    away than any of the sets.
    """
    labelled = np.flatnonzero(search.reference.label[search.first] >= 0)
    if len(labelled) < LEAST_LABELLED:
        return None
    tried = [(cause.kind.family, Candidate.of(Step(cause, s))) for cause in known.values() for s in COARSE]
    distances, lost = _made(search, [one for _, one in tried], model, labelled)
    away = _root(search.kernel.views[0].by_chance.distance)
    if away > distances.max():
        return None
    families = np.array([family for family, _ in tried])
    errors = [lost[families == one] - _slope(distances, lost, families != one) * distances[families == one]
              for one in np.unique(families)]  # fmt: skip
    reach = float(np.quantile(np.abs(np.concatenate(errors)), HELD))
    value = accuracy - _slope(distances, lost, np.ones(len(lost), bool)) * away
    low, high = (float(np.clip(value + sign * reach, 0, 1)) for sign in (-1, 1))
    return Expected(float(np.clip(value, 0, 1)), low, high, len(tried))


def _made(search: Search, tried: list[Candidate], model: Classifier, labelled: Array) -> tuple[Array, Array]:
    """How far each cause moves the first images, and what share of them it costs."""
    kernel, dim = search.kernel.features, search.reference.x.shape[1]
    label = search.reference.label[search.first][labelled]
    plain = search.plain[search.first]
    start, before = kernel.scaled(plain), correct(model, plain[labelled, :dim], label).mean()
    own = _mean(kernel.of_pairs(start, start))
    distances, lost = [], []
    for rows in search.made(tried, search.first):
        made = kernel.scaled(rows)
        distances.append(own + _mean(kernel.of_pairs(made, made)) - 2 * _mean(kernel.of_pairs(start, made)))
        lost.append(before - correct(model, rows[labelled, :dim], label).mean())
    return _root(np.array(distances)), np.array(lost)


def _mean(values: Array) -> float:
    """Over pairs of different images."""
    n = len(values)
    return float((values.sum() - np.trace(values)) / (n * (n - 1)))


def _root(squared: Array | float) -> Array:
    return np.sqrt(np.maximum(squared, 0))


def _slope(distances: Array, lost: Array, rows: Array) -> float:
    """Least squares through the origin: what is not moved loses nothing."""
    return float(distances[rows] @ lost[rows] / max(distances[rows] @ distances[rows], 1e-12))

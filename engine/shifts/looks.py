"""Several classifiers that tell two sets apart, each cross-fitted: what one does not see, another may.

They look at the first rows of both sets, which stand in random order. A row is scored by classifiers that were trained
without its fold, so that a set and itself are as hard to tell apart as two samples of one population. Four fifths of
the rows train each: of a hundred rows a side, that tells sets apart which half of them would not.

* ``linear``: Fisher's discriminant with the correlations of the features shrunk, weakly and strongly.
* ``quadratic``: two normal distributions in the first principal axes, for sets that differ in their spread.
* ``neighbours``: which set the nearest rows are of, for sets that differ in small places.
* ``confidence``: a discriminant of what a model says of the rows, such as how sure it is.

References
----------
Lopez-Paz and Oquab (2017), "Revisiting classifier two-sample tests". Kynkäänniemi et al. (2019), "Improved precision
and recall metric".
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from gapscope.core.chunk import Chunk
from gapscope.shifts.domain_heads import Parts
from gapscope.shifts.prdc import squared_distances
from gapscope.store import View

Array = np.ndarray
Columns = Callable[[Array], Array]
# Rows of each set, and numbers in them, at most.
MOST_ROWS, MOST_NUMBERS, FOLDS = 2500, 6 * 10**6, 5
# What the correlations of the features get on their diagonal.
WEAK, STRONG = 0.1, 1.0
# Principal axes of the quadratic look, at most, and rows that each needs; and what their variances get, as a share.
AXES, ROWS_AN_AXIS, ROUNDER = 32, 8, 0.1
NEIGHBOURS = 5


class Look(NamedTuple):
    """Scores of the rows of both sets, ``(n,)`` and ``(m,)``, above 0 for those that look like the target's."""

    name: str
    reference: Array
    target: Array


@dataclass(frozen=True, eq=False)
class Looks:
    """What several classifiers and the neighbourhoods say of the first rows of two sets.

    Attributes
    ----------
    each
        The classifiers.
    held : (m,) bool
        Whether a target row lies in the ball of a reference row, which reaches to its fifth neighbour; the mean is
        *precision*.
    recalled : (n,) bool
        The same of reference rows and balls of the target; the mean is *recall*.
    """

    each: tuple[Look, ...]
    held: Array
    recalled: Array

    @property
    def rows(self) -> tuple[int, int]:
        """How many of the first rows of each set were looked at."""
        return len(self.recalled), len(self.held)


def looks(
    reference: View, target: View, *, seed: int = 0, confidence: Columns | tuple[Array, Array] | None = None
) -> Looks:
    """All looks at the first 2,500 rows of each set, 1,464 of 4,096 features; ``O((n + m) d min(n + m, d))`` flops.

    Parameters
    ----------
    seed
        Of the hash that puts sample ids into folds.
    confidence
        Features ``(n, d)`` to a few columns that a model says of each row, or these columns of all rows of both sets;
        without it there is no such look.
    """
    rows = min(MOST_ROWS, max(MOST_NUMBERS // reference.store.dim, 1))
    chunks = [View(view.store, view.start, min(view.stop, view.start + rows)).read() for view in (reference, target)]
    fold = np.concatenate([Parts(seed, FOLDS).fold_of(chunk.sample_id) for chunk in chunks])
    x = np.concatenate([chunk.x for chunk in chunks])
    side = np.repeat([0, 1], [len(chunk.x) for chunk in chunks])
    z = _standardised(x)
    scores = dict(_of_features(z, side, fold))
    if confidence is not None:
        said = confidence(x) if callable(confidence) else _first(confidence, chunks)
        sure = _standardised(np.asarray(said, np.float32))
        scores["confidence"] = _cross_fitted(sure, side, fold, lambda *rows: _discriminant(*rows, ROUNDER))
    each = tuple(Look(name, score[side == 0], score[side == 1]) for name, score in scores.items())
    return Looks(each, *_balls(z[side == 0], z[side == 1]))


def _first(columns: tuple[Array, Array], chunks: Sequence[Chunk]) -> Array:
    """The columns of the rows that are looked at."""
    return np.concatenate([one[: len(chunk.x)] for one, chunk in zip(columns, chunks, strict=True)])


def _standardised(x: Array) -> Array:
    """Features with mean 0 and deviation 1 over both sets; 0 for one that does not vary."""
    x = x - x.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = np.sqrt(np.square(x, dtype=np.float64).mean(axis=0)).astype(np.float32)
    return np.divide(x, deviation, out=np.zeros_like(x), where=deviation > 0)


def _of_features(z: Array, side: Array, fold: Array) -> Iterator[tuple[str, Array]]:
    """Names and scores ``(n + m,)`` of the looks at standardised features ``z : (n + m, d)``."""
    yield "linear", _cross_fitted(z, side, fold, lambda *rows: _discriminant(*rows, STRONG))
    yield "linear, weakly shrunk", _cross_fitted(z, side, fold, lambda *rows: _discriminant(*rows, WEAK))
    axes = min(AXES, z.shape[1], int(min(np.bincount(side))) // ROWS_AN_AXIS)
    if axes > 0:
        yield "quadratic", _cross_fitted(_principal(z, axes), side, fold, _quadratic)
    yield "neighbours", _cross_fitted(z, side, fold, _nearest)


def _cross_fitted(z: Array, side: Array, fold: Array, scores: Callable[[Array, Array, Array], Array]) -> Array:
    """Scores of all rows, of each fold by what was trained without it; 0 where one set has no row to train on."""
    result = np.zeros(len(z))
    for index in range(FOLDS):
        held, known = fold == index, fold != index
        if held.any() and len(np.unique(side[known])) == 2:
            result[held] = scores(z[known & (side == 0)], z[known & (side == 1)], z[held])
    return result


def _discriminant(reference: Array, target: Array, rows: Array, shrinkage: float) -> Array:
    """Fisher's discriminant of `rows`, from rows of both sets, 0 midway between their means.

    With more features than rows it is found in the space of the rows, by Woodbury's identity.
    """
    means = [one.mean(axis=0) for one in (reference, target)]
    centred = np.concatenate([one - mean for one, mean in zip((reference, target), means, strict=True)])
    apart, (n, d) = means[1] - means[0], centred.shape
    ridge = shrinkage * n
    if d <= n:
        weight = cho_solve(cho_factor(centred.T @ centred + ridge * np.eye(d, dtype=np.float32)), apart)
    else:
        inner = cho_factor(centred @ centred.T + ridge * np.eye(n, dtype=np.float32))
        weight = (apart - centred.T @ cho_solve(inner, centred @ apart)) / ridge
    return (rows - (means[0] + means[1]) / 2) @ weight


def _principal(z: Array, axes: int) -> Array:
    """Coordinates of rows around their mean along the first principal axes, found without their sets."""
    small = z.T @ z if z.shape[1] <= len(z) else z @ z.T
    values, vectors = np.linalg.eigh(small.astype(np.float64))
    vectors = vectors[:, -axes:].astype(np.float32)
    if z.shape[1] <= len(z):
        return z @ vectors
    return vectors * np.sqrt(np.maximum(values[-axes:], 0)).astype(np.float32)


def _quadratic(reference: Array, target: Array, rows: Array) -> Array:
    """Log ratio of the densities of two normal distributions, in nats."""
    return _log_density(target, rows) - _log_density(reference, rows)


def _log_density(known: Array, rows: Array) -> Array:
    mean = known.mean(axis=0, dtype=np.float64)
    covariance = np.atleast_2d(np.cov(known.T.astype(np.float64), bias=True))
    covariance[np.diag_indices_from(covariance)] += ROUNDER * np.trace(covariance) / len(covariance) + 1e-9
    values, vectors = np.linalg.eigh(covariance)
    along = (rows - mean) @ vectors
    return -0.5 * (np.square(along) / values).sum(axis=1) - 0.5 * np.log(values).sum()


def _nearest(reference: Array, target: Array, rows: Array) -> Array:
    """Share of the target among the nearest rows, as if both sets had equally many, less one half."""
    apart = squared_distances(rows, np.concatenate([reference, target]))
    count = min(NEIGHBOURS, apart.shape[1])
    nearest = np.argpartition(apart, count - 1, axis=1)[:, :count]
    of_target = (nearest >= len(reference)).sum(axis=1) / len(target)
    of_reference = (nearest < len(reference)).sum(axis=1) / len(reference)
    return of_target / (of_target + of_reference) - 0.5


def _balls(reference: Array, target: Array) -> tuple[Array, Array]:
    """Which target rows lie in a ball around a reference row, and which reference rows in one around a target row."""
    across = squared_distances(reference, target)
    radii = [_radius(one)[:, None] for one in (reference, target)]
    return (across <= radii[0]).any(axis=0), (across.T <= radii[1]).any(axis=0)


def _radius(x: Array) -> Array:
    """Squared distance of each row to its fifth neighbour in its own set, or to its farthest where there are fewer."""
    apart = squared_distances(x, x)
    np.fill_diagonal(apart, -1.0)
    place = min(NEIGHBOURS, len(x) - 1)
    return np.partition(apart, place, axis=1)[:, place]

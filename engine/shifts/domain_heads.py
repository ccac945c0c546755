"""The linear heads of a domain classifier, of all folds and penalties, trained together.

Coordinates are white for all rows together, so that one penalty suits every direction.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from typing import NamedTuple

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import Progress
from gapscope.store import View
from gapscope.stream import Workers, each, fold
from gapscope.summaries import Moments

Array = np.ndarray
# What to choose from, the simplest first: what the correlations of the features get on their diagonal (much of it holds
# back directions of little variance, which few rows cannot tell from noise), and the penalty in units of the loss per
# squared white coordinate.
SETTINGS = ((10.0, 1.0), (1.0, 1.0), (1.0, 0.1), (1.0, 0.01), (0.01, 1.0), (0.01, 0.1), (0.01, 0.01), (0.01, 0.001))
L2 = np.array([l2 for _, l2 in SETTINGS])
SHRINKAGES = sorted({shrinkage for shrinkage, _ in SETTINGS})
# One row of so many is kept from training, to choose a penalty and to calibrate.
INNER = 5
EVALUATIONS = 60
# Rows that are centred at a time: they stay in a processor's cache.
BLOCK_ROWS = 256


def moments_of(chunk: Chunk) -> Moments:
    return Moments.of(chunk.x)


class Whitening(NamedTuple):
    """``z = (x - origin) root``: coordinates in which both sets together, weighing the same, have about variance one;
    ``roots : (s, d, d)``, one for each different shrinkage.
    """

    origin: Array
    roots: Array

    @classmethod
    def of(cls, reference: Moments, target: Moments, names: tuple[str, str], emphasis: Array | None) -> "Whitening":
        for one, name in zip((reference, target), names, strict=True):
            if not (np.isfinite(one.mean).all() and np.isfinite(one.scatter).all()):
                raise InputError(f"{name} has features that are not finite; extract it again or leave those rows out")
        half = (target.mean - reference.mean) / 2
        covariance = (reference.covariance(0) + target.covariance(0)) / 2 + np.outer(half, half)
        roots = np.stack([_root(covariance, shrinkage, emphasis) for shrinkage in SHRINKAGES])
        return cls((reference.mean + target.mean) / 2, roots)

    def raw(self, point: Array) -> Array:
        """Weights ``(d, h)`` on the features from white ones."""
        result = np.empty_like(point)
        for root, mine in self._columns(point.shape[1]):
            result[:, mine] = root @ point[:, mine]
        return result

    def white(self, gradient: Array) -> Array:
        """The gradient ``(d, h)`` by white weights from the one by raw weights."""
        result = np.empty_like(gradient)
        for root, mine in self._columns(gradient.shape[1]):
            result[:, mine] = root.T @ gradient[:, mine]
        return result

    def _columns(self, heads: int) -> Iterator[tuple[Array, Array]]:
        shrinkage = np.array([SETTINGS[head % len(SETTINGS)][0] for head in range(heads)])
        return ((root, shrinkage == one) for root, one in zip(self.roots, SHRINKAGES, strict=True))


def _root(covariance: Array, shrinkage: float, emphasis: Array | None) -> Array:
    """Inverse of a root of the correlations with `shrinkage` on their diagonal, for features in their own units, after
    each is multiplied by its emphasis; a feature that does not vary gets nothing.
    """
    variance = np.diagonal(covariance)
    emphasis = np.ones(len(variance)) if emphasis is None else np.asarray(emphasis, np.float64)
    scale = np.divide(emphasis, np.sqrt(variance), out=np.zeros(len(variance)), where=variance > 0)
    shrunk = covariance * np.outer(scale, scale)
    shrunk[np.diag_indices_from(shrunk)] += np.where(variance > 0, shrinkage, 1.0)
    return scale[:, None] * solve_triangular(cholesky(shrunk, lower=True), np.eye(len(shrunk)), lower=True).T


@dataclass(frozen=True)
class Parts:
    """Which fold a row belongs to, and whether it is kept from training, by its sample id alone."""

    seed: int
    folds: int

    def fold_of(self, sample_id: Array) -> Array:
        return (_hashed(self.seed, sample_id) % np.uint64(self.folds)).astype(np.uint8)

    def is_inner(self, sample_id: Array) -> Array:
        return _hashed(self.seed, sample_id) // np.uint64(self.folds) % np.uint64(INNER) == 0


def _hashed(seed: int, sample_id: Array) -> Array:
    """SplitMix64's output function of the ids, ``(n,) uint32``: its upper half. Steele, Lea and Flood (2014)."""
    with np.errstate(over="ignore"):
        word = (np.asarray(sample_id).astype(np.uint64) + np.uint64(seed + 1)) * np.uint64(0x9E3779B97F4A7C15)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word >> np.uint64(32)


class _Slope(NamedTuple):
    """Loss, its gradient and the rows they are of, summed over some rows, for each of h heads."""

    loss: Array
    weight: Array
    bias: Array
    rows: Array

    def merge(self, other: "_Slope") -> "_Slope":
        return _Slope(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True, eq=False)
class _Heads:
    """Heads ``weight : (d, h)`` and ``bias : (h,)`` on raw features less `origin`; head ``h`` leaves fold
    ``h // len(L2)`` out.
    """

    origin: Array
    weight: Array
    bias: Array

    def margins(self, x: Array) -> tuple[Array, Array]:
        centred = x - self.origin
        return centred, centred @ self.weight + self.bias


def _slope_of(chunk: Chunk, heads: _Heads, parts: Parts, side: int) -> _Slope:
    """Of rows that are all on one side: 1 target, -1 reference."""
    starts = range(0, max(len(chunk.y), 1), BLOCK_ROWS)
    return reduce(_Slope.merge, (_slope(chunk.rows(at, at + BLOCK_ROWS), heads, parts, side) for at in starts))


def _slope(chunk: Chunk, heads: _Heads, parts: Parts, side: int) -> _Slope:
    kept = ~parts.is_inner(chunk.sample_id)
    trains = parts.fold_of(chunk.sample_id[kept])[:, None] != np.arange(parts.folds)
    trains = np.repeat(trains, len(L2), axis=1).astype(np.float64)
    centred, margin = heads.margins(chunk.x[kept])
    loss = np.logaddexp(0, -side * margin) * trains
    pull = -side * expit(-side * margin) * trains
    return _Slope(loss.sum(axis=0), centred.T @ pull, pull.sum(axis=0), trains.sum(axis=0))


def _margins_of(_index: int, chunk: Chunk, heads: _Heads) -> tuple[Array, Array]:
    """Ids ``(n,)`` and margins ``(n, h) float32``."""
    return chunk.sample_id, heads.margins(chunk.x)[1].astype(np.float32)


@dataclass(frozen=True, eq=False)
class Training:
    """All heads on their way to their minima."""

    views: tuple[View, View]
    whitening: Whitening
    parts: Parts
    workers: Workers
    progress: Progress
    chunk_rows: int

    def heads(self) -> tuple[Array, Array]:
        """Weights ``(d, h)`` on the raw features and intercepts ``(h,)`` at the origin, at the minima.

        The start is zero and not a closed form: that would know the test rows' sets, and an unfinished descent would
        remember it.
        """
        count = self.parts.folds * len(L2)
        start = np.zeros((len(self.whitening.origin) + 1) * count)
        options = {"maxfun": EVALUATIONS, "maxiter": EVALUATIONS, "ftol": 1e-7, "gtol": 1e-6, "maxcor": 10}
        result = minimize(self._value, start, jac=True, method="L-BFGS-B", options=options).x.reshape(-1, count)
        return self.whitening.raw(result[:-1]), result[-1]

    def _value(self, flat: Array) -> tuple[float, Array]:
        """The sum of all heads' losses, and its gradient, at white weights and intercepts ``(d + 1) h``."""
        point = flat.reshape(len(self.whitening.origin) + 1, -1)
        heads = _Heads(self.whitening.origin, self.whitening.raw(point[:-1]), point[-1])
        penalty = np.tile(L2, self.parts.folds)
        value = 0.5 * float((penalty * np.square(point[:-1]).sum(axis=0)).sum())
        gradient = np.concatenate([penalty * point[:-1], np.zeros((1, len(penalty)))])
        for view, side in zip(self.views, (-1, 1), strict=True):
            slope = self._slope(view, partial(_slope_of, heads=heads, parts=self.parts, side=side))
            share = 0.5 / np.maximum(slope.rows, 1)
            value += float((share * slope.loss).sum())
            gradient[:-1] += self.whitening.white(share * slope.weight)
            gradient[-1] += share * slope.bias
        return value, gradient.ravel()

    def _slope(self, view: View, of: Callable[[Chunk], _Slope]) -> _Slope:
        return fold(
            view, of, self.workers, chunk_rows=self.chunk_rows, progress=self.progress, description="tell sets apart"
        )

    def margins(self, view: View, weight: Array, bias: Array) -> tuple[Array, Array]:
        """Sample ids ``(n,)`` and margins ``(n, h)`` of all rows of `view`."""
        of = partial(_margins_of, heads=_Heads(self.whitening.origin, weight, bias))
        result = each(
            view, of, self.workers, chunk_rows=self.chunk_rows, progress=self.progress, description="domain scores"
        )
        return np.concatenate([ids for ids, _ in result]), np.concatenate([margin for _, margin in result])

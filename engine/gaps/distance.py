"""How strange a row is, seen from the reference: scores of single rows that are higher the farther out a row lies.

Every score is a frozen value that maps rows ``(n, d)`` to numbers ``(n,)``, so that it may travel to workers. All but
the neighbour distance need nothing but moments and the head.

References
----------
Lee et al. (2018), "A simple unified framework for detecting out-of-distribution samples": Mahalanobis. Ren et al.
(2021), "A simple fix to Mahalanobis distance". Sun et al. (2022), "Out-of-distribution detection with deep nearest
neighbors". Liu et al. (2020), "Energy-based out-of-distribution detection". Hendrycks and Gimpel (2017), "A baseline
for detecting misclassified and out-of-distribution examples". Wang et al. (2022), "ViM: out-of-distribution with
virtual-logit matching".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import logsumexp

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.probes.model import Classifier, unit_rows
from gapscope.probes.rules.linear import Linear
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries import LabelledMoments
from gapscope.summaries.shrinkage import oas_share, shrunk

Array = np.ndarray
# Neighbours are looked for among the first so many reference rows, the k-th of them being the measure.
SAMPLE_ROWS, NEIGHBOUR = 5000, 10
# Rows whose products with the sample are in memory at a time.
BLOCK_ROWS = 1024
# Rows whose distances are computed at a time: they stay in a processor's cache.
CACHED_ROWS = 256


class Score(Protocol):
    """Strangeness ``(n,)`` of rows ``x : (n, d)``, higher for farther; picklable."""

    def __call__(self, x: Array) -> Array:
        """See above."""


@dataclass(frozen=True, eq=False)
class Whitened:
    """Squared distance from the nearest of some centres, in units of a covariance.

    Attributes
    ----------
    origin : (d,)
    root : (d, r)
        ``root root'`` is the inverse of the covariance.
    centres : (c, r)
        Whitened, around the origin.
    """

    origin: Array
    root: Array
    centres: Array

    @classmethod
    def of(cls, centres: Array, covariance: Array, n: int) -> "Whitened":
        """For ``centres : (c, d)`` and the covariance of `n` rows, shrunk as `oas_share` asks in units of its own
        deviations; O(d³).
        """
        unit = np.sqrt(np.diagonal(covariance))
        unit = np.where(unit > 0, unit, 1.0)
        correlation = covariance / np.outer(unit, unit)
        values, axes = np.linalg.eigh(shrunk(correlation, oas_share(correlation, n)))
        kept = values > values.max(initial=0) * len(values) * np.finfo(float).eps
        root = axes[:, kept] / np.sqrt(values[kept]) / unit[:, None]
        origin = centres.mean(axis=0)
        return cls(origin, root, (centres - origin) @ root)

    def __call__(self, x: Array) -> Array:
        """Squared distances ``(n,)`` of ``x : (n, d)``; ``2 n d r`` flops in float64."""
        own, result = np.einsum("cr,cr->c", self.centres, self.centres), np.empty(len(x))
        for start in range(0, len(x), CACHED_ROWS):
            z = (np.asarray(x[start : start + CACHED_ROWS], np.float64) - self.origin) @ self.root
            nearest = (own - 2 * z @ self.centres.T).min(axis=1)
            result[start : start + CACHED_ROWS] = np.maximum(np.einsum("nr,nr->n", z, z) + nearest, 0)
        return result


@dataclass(frozen=True, eq=False)
class Relative:
    """Distance from the nearest class less that from all rows, which takes out what is strange to every class."""

    classes: Whitened
    background: Whitened

    def __call__(self, x: Array) -> Array:
        """Differences ``(n,)`` of squared distances."""
        return self.classes(x) - self.background(x)


@dataclass(frozen=True, eq=False)
class Neighbour:
    """Distance to the k-th nearest row of a sample, all rows being scaled to length one.

    Attributes
    ----------
    sample : (m, d) float32
        Of length one.
    k
        At most m.
    """

    sample: Array
    k: int

    @classmethod
    def of(cls, x: Array, k: int = NEIGHBOUR) -> "Neighbour":
        """For a sample ``x : (m, d)``; with less than k rows the farthest counts."""
        return cls(unit_rows(x), min(k, len(x)))

    def __call__(self, x: Array) -> Array:
        """Distances ``(n,)`` of ``x : (n, d)``, 0 to 2; ``2 n m d`` flops in float32, ``4 m`` bytes for each of 1,024
        rows.
        """
        rows = unit_rows(x)
        blocks = [self._block(rows[start : start + BLOCK_ROWS]) for start in range(0, len(rows), BLOCK_ROWS)]
        return np.concatenate(blocks) if blocks else np.zeros(0)

    def _block(self, rows: Array) -> Array:
        cosine = rows @ self.sample.T
        place = len(self.sample) - self.k
        kth = np.partition(cosine, place, axis=1)[:, place].astype(np.float64)
        return np.sqrt(np.maximum(2 - 2 * kth, 0))


@dataclass(frozen=True, eq=False)
class Energy:
    """Minus the logarithm of the summed exponentials of the scores, which are divided by the temperature."""

    model: Classifier

    def __call__(self, x: Array) -> Array:
        """Energies ``(n,)``."""
        return -logsumexp(np.asarray(self.model.scores(x), np.float64) / self.model.temperature, axis=1)


@dataclass(frozen=True, eq=False)
class MaxProbability:
    """One minus the probability of the best class."""

    model: Classifier

    def __call__(self, x: Array) -> Array:
        """Numbers ``(n,)`` from 0 to 1."""
        return 1 - self.model.probabilities(x).max(axis=1)


@dataclass(frozen=True, eq=False)
class MaxLogit:
    """Minus the score of the best class."""

    model: Classifier

    def __call__(self, x: Array) -> Array:
        """Numbers ``(n,)``."""
        return -np.asarray(self.model.scores(x), np.float64).max(axis=1)


@dataclass(frozen=True, eq=False)
class VirtualLogit:
    """ViM: how far a row lies outside the reference's main directions, in logits, less the energy that the head sees.

    Attributes
    ----------
    origin : (d,)
        Where the head's scores are all equal, as nearly as can be.
    residual : (d, d - r)
        The directions that the reference fills least.
    alpha
        Logits for each unit of distance.
    """

    model: Classifier
    origin: Array
    residual: Array
    alpha: float

    def outside(self, x: Array) -> Array:
        """Length ``(n,)`` of the part of each row in the residual directions."""
        return np.linalg.norm((np.asarray(x, np.float64) - self.origin) @ self.residual, axis=1)

    def __call__(self, x: Array) -> Array:
        """Numbers ``(n,)``."""
        logits = np.asarray(self.model.scores(x), np.float64)
        return self.alpha * self.outside(x) - logsumexp(logits, axis=1)


class _Sums(NamedTuple):
    logit: float
    outside: float

    def merge(self, other: "_Sums") -> "_Sums":
        return _Sums(self.logit + other.logit, self.outside + other.outside)


def _sums(chunk: Chunk, score: VirtualLogit) -> _Sums:
    logits = np.asarray(score.model.scores(chunk.x), np.float64)
    return _Sums(float(logits.max(axis=1).sum()), float(score.outside(chunk.x).sum()))


@dataclass(frozen=True, eq=False)
class Reference:
    """The rows that strangeness is measured from, with what all scores share.

    Attributes
    ----------
    view
        Labels are indices of its classes.
    moments
        Of its labelled rows.
    """

    model: Classifier
    view: View
    moments: LabelledMoments
    workers: Workers
    progress: Progress = SILENT

    @classmethod
    def read(cls, model: Classifier, view: View, workers: Workers, progress: Progress = SILENT) -> "Reference":
        """One pass over the labelled rows of a view; without labels all of them are one class.

        Raises
        ------
        InputError
            There are fewer than two rows, or a feature is not finite.
        """
        classes = len(view.store.class_names)
        of = partial(_labelled_moments, classes=classes)
        description = f"moments of {view.store.name}"
        result = fold(view, of, workers, progress=progress, description=description)
        if not result.total.n:
            result = fold(view, _one_class, workers, progress=progress, description=description)
        if result.total.n < 2:
            raise InputError(
                f"{view.store.name} has {counted(result.total.n, 'row')} here; distances from it need two or more"
            )
        if not np.isfinite(result.total.scatter).all():
            raise InputError(f"a feature of {view.store.name} is not finite; extract or import this set again")
        return cls(model, view, result, workers, progress)


def _labelled_moments(chunk: Chunk, classes: int) -> LabelledMoments:
    return LabelledMoments.of(chunk, classes)


def _one_class(chunk: Chunk) -> LabelledMoments:
    return LabelledMoments.of(chunk._replace(y=np.zeros_like(chunk.y)), 1)


def mahalanobis(reference: Reference) -> Whitened:
    """Squared distance from the nearest class mean, in units of the pooled covariance within classes."""
    moments = reference.moments
    return Whitened.of(moments.classes.mean[moments.present], moments.within_covariance(), moments.total.n)


def relative_mahalanobis(reference: Reference) -> Relative:
    """Mahalanobis distance less that from one Gaussian for all rows."""
    total = reference.moments.total
    return Relative(mahalanobis(reference), Whitened.of(total.mean[None], total.covariance(ddof=0), total.n))


def neighbour(reference: Reference) -> Neighbour:
    """Distance to the 10th neighbour among the first 5,000 rows of the reference."""
    view = reference.view
    return Neighbour.of(View(view.store, view.start, min(view.stop, view.start + SAMPLE_ROWS)).read().x)


def virtual_logit(reference: Reference) -> VirtualLogit:
    """ViM, with as many main directions as its authors take (1000, 512, or half of the features); one more pass.

    Raises
    ------
    InputError
        The model has no linear head on the features as they are.
    """
    model, total = reference.model, reference.moments.total
    if not isinstance(model.rule, Linear) or model.normalised:
        raise InputError(f"vim needs a linear head on plain features, {model.name!r} has none; choose another distance")
    used = model.rule.bias > -1e20
    weight, bias = model.rule.weight[used].astype(np.float64), model.rule.bias[used].astype(np.float64)
    origin = -np.linalg.pinv(weight) @ bias
    away = total.mean - origin
    _, axes = np.linalg.eigh(total.covariance(ddof=0) + np.outer(away, away))
    d = len(origin)
    main = 1000 if d >= 2048 else 512 if d >= 768 else d // 2
    bare = VirtualLogit(model, origin, axes[:, : d - main], 0.0)
    of = partial(_sums, score=bare)
    sums = fold(reference.view, of, reference.workers, progress=reference.progress, description="vim")
    return VirtualLogit(model, origin, bare.residual, sums.logit / sums.outside if sums.outside > 0 else 0.0)


DISTANCES: Mapping[str, Callable[[Reference], Score]] = {
    "mahalanobis": mahalanobis,
    "relative-mahalanobis": relative_mahalanobis,
    "neighbour": neighbour,
    "energy": lambda reference: Energy(reference.model),
    "max-probability": lambda reference: MaxProbability(reference.model),
    "max-logit": lambda reference: MaxLogit(reference.model),
    "vim": virtual_logit,
}

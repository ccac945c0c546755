"""Label shift: classes that are more frequent in the target get higher scores, by frequencies found without labels.

The target's class shares are those under which the model's probabilities explain the target best, a concave problem
that expectation maximisation solves: each step re-weighs the probabilities by ``w = target share / source share`` and
averages them. The source shares are the mean probabilities on the reference rows, so that a target like the reference
gives ``w = 1`` exactly. Steps are squared (SQUAREM), which takes a tenth of them.

References
----------
Saerens, Latinne and Decaestecker (2002), "Adjusting the outputs of a classifier to new a priori probabilities".
Alexandari, Kundaje and Shrikumar (2020), "Maximum likelihood with bias-corrected calibration is hard to beat at label
shift adaptation". Varadhan and Roland (2008), "Simple and globally convergent methods for accelerating the convergence
of any EM algorithm".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.remedies.fitted import BothMoments, FittedRemedy, Model, check_rows
from gapscope.store import ArrayStore, Changed, View
from gapscope.stream import CHUNK_ROWS, Workers, each, fold

Array = np.ndarray
# Passes over the target's probabilities, at most, and the change of a share at which they end.
PASSES, TOLERANCE = 60, 1e-6
# Rows that the source shares count for: a class that no target row seems to belong to keeps a little of its share.
PSEUDO_ROWS = 1.0
# Probabilities of a row below which nothing is said of it: their inverse would be infinite.
LEAST = 1e-300
# Probabilities that the passes go over, at most, in single precision: 134,217 rows of a thousand classes. Rows stand in
# random order, so the first are a fair sample.
MOST_BYTES = 2**29
# Rows that are widened at a time: they stay in the cache of a processor.
BLOCK_ROWS = 128


def kept_bytes(rows: int, classes: int) -> int:
    """What the probabilities of so many target rows take while the passes go over them."""
    return min(4 * rows * classes, MOST_BYTES)


class Posteriors(NamedTuple):
    """Sum of re-weighed probabilities over the rows seen so far; sums of disjoint row sets add up.

    Attributes
    ----------
    n
        Number of rows.
    total : (k,) float64
    log_likelihood
        Of the class shares, in nats, up to a constant.
    """

    n: int
    total: Array
    log_likelihood: float

    @classmethod
    def of(cls, chunk: Chunk, weight: Array) -> "Posteriors":
        """Of a chunk whose ``x : (n, k)`` are probabilities, for ``weight : (k,)`` of the classes."""
        classes = chunk.x.shape[1]
        weight, total, log_likelihood = np.broadcast_to(weight, classes), np.zeros(classes), 0.0
        for start in range(0, len(chunk.x), BLOCK_ROWS):
            rows = np.asarray(chunk.x[start : start + BLOCK_ROWS], np.float64)
            evidence = rows @ weight
            seen = evidence > LEAST
            total += np.divide(1, evidence, out=np.zeros_like(evidence), where=seen) @ rows
            log_likelihood += float(np.log(evidence[seen]).sum())
        return cls(len(chunk.x), total * weight, log_likelihood)

    def merge(self, other: "Posteriors") -> "Posteriors":
        """Of both row sets together."""
        return Posteriors(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Prior:
    """Undoes a change of the class frequencies. One read of each set, and up to 60 passes; see `Remedy`.

    The passes go over the probabilities of the first target rows, half a gigabyte of them at most, which only workers
    elsewhere compute again.
    """

    def fit(
        self,
        model: Model,
        reference: View,
        target: View,
        workers: Workers,
        progress: Progress = SILENT,
        moments: BothMoments | None = None,
    ) -> FittedRemedy:
        """See `Remedy.fit`. A model without probabilities is left as it is."""
        what = "adjusting to the class frequencies"
        if not model.probabilistic:
            return FittedRemedy("prior", what, "the model gives no probabilities, so nothing is changed")
        check_rows(reference)
        check_rows(target)
        source = mean_probability(model, reference, workers, progress)
        classes = len(source)
        first = target.store.view(target.start, target.start + min(target.rows, max(MOST_BYTES // (4 * classes), 1)))
        share, passes = target_prior(
            source, _probabilities(model, first, classes, workers, progress), workers, progress
        )
        log_weight = np.log(np.divide(share, source, out=np.ones_like(source), where=source > 0))
        some = f"{first.rows:,}" if first.rows == target.rows else f"the first {first.rows:,} of {target.rows:,}"
        note = f"class shares of {some} target rows after {passes} passes of expectation maximisation"
        return FittedRemedy("prior", what, note, offset=(model.temperature * log_weight).astype(np.float32))


@dataclass(frozen=True, eq=False)
class _Probabilities:
    """Picklable, for workers: the probabilities of a chunk as its rows."""

    model: Model

    def __call__(self, x: Array) -> Array:
        if not np.isfinite(x).all():
            raise InputError("a feature is not finite; extract or import this set again")
        return self.model.probabilities(x).astype(np.float32)


def mean_probability(model: Model, view: View, workers: Workers, progress: Progress = SILENT) -> Array:
    """Mean probability of every class over the rows of a set, ``(k,)``; one read."""
    result = _step(_changed(model, view), 1.0, workers, progress)
    return result.total / result.total.sum()


def target_prior(
    source: Array, probabilities: View, workers: Workers, progress: Progress = SILENT
) -> tuple[Array, int]:
    """The class shares ``(k,)`` under which a view of `probabilities` is likeliest, and the passes that it took.

    ``source : (k,)`` are the shares under which the probabilities were given.
    """

    def improved(share: Array) -> tuple[Array, float]:
        weight = np.divide(share, source, out=np.zeros_like(share), where=source > 0)
        result = _step(probabilities, weight, workers, SILENT)
        pseudo = PSEUDO_ROWS * source
        prior = float(pseudo @ np.log(np.where(share > 0, share, 1)))
        return (result.total + pseudo) / (result.total.sum() + PSEUDO_ROWS), result.log_likelihood + prior

    return _squared(improved, source)


def _squared(improved: Callable[[Array], tuple[Array, float]], share: Array) -> tuple[Array, int]:
    """Where `improved` leads, two plain steps and a leap along them at a time; a leap that loses is taken back."""
    best, passes, level = share, 0, -np.inf
    safe = share
    while passes < PASSES:
        one, result = improved(best)
        passes += 1
        if result < level:
            best, level = safe, -np.inf
            continue
        level = result
        if np.abs(one - best).max() < TOLERANCE:
            return one, passes
        safe, _ = improved(one)
        passes += 1
        best = _leap(best, one, safe)
    return safe, passes


def _leap(start: Array, one: Array, two: Array) -> Array:
    step, bend = one - start, two - 2 * one + start
    curvature = float(np.linalg.norm(bend))
    length = max(1.0, float(np.linalg.norm(step)) / curvature) if curvature > 0 else 1.0
    there = start + 2 * length * step + length**2 * bend
    return there / there.sum() if (there >= two / 10).all() else two


def _step(view: View, weight: Array | float, workers: Workers, progress: Progress) -> Posteriors:
    of = partial(Posteriors.of, weight=weight)
    return fold(view, of, workers, progress=progress, description=f"class shares of {view.store.name}")


def _changed(model: Model, view: View) -> View:
    return Changed(view.store, _Probabilities(model)).view(view.start, view.stop)


def _probabilities(model: Model, view: View, classes: int, workers: Workers, progress: Progress) -> View:
    """The probabilities of the rows as a view, in memory where the work is done in this process."""
    changed = _changed(model, view)
    if not workers.shares_memory:
        return changed
    rows = np.empty((view.rows, classes), np.float32)

    def keep(index: int, chunk: Chunk) -> None:
        rows[index * CHUNK_ROWS :][: len(chunk.x)] = chunk.x

    each(changed, keep, workers, progress=progress, description=f"probabilities of {view.store.name}")
    return ArrayStore(rows, np.full(len(rows), -1), view.store.class_names, view.store.name).view()


PRIOR = Prior()

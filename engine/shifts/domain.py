"""How probable it is, by its features, that a row comes from the target and not from the reference.

A logistic regression on whether a row is the target's, cross-fitted: rows fall into folds by a hash of their sample id,
and each row is scored by a head that was trained without its fold. With ``t = 1`` for rows of the target and -1 for
rows of the reference, the head of a fold minimises, over the rows of the other folds,

    1/2 mean_reference log(1 + e^s) + 1/2 mean_target log(1 + e^-s) + l2/2 |w|²,    s = w z + b,

so both sets weigh the same whatever their sizes. The coordinates ``z = L^-1 (x - o)`` are white for all rows together:
``L L'`` is their covariance, shrunk. It is made without regard to folds, and so of the test rows too, but not of who
they are. A fifth of the rows trains no head. Among these, those outside a fold choose the fold's penalty and say how
its scores become probabilities: by a rising curve of straight pieces, because one logistic curve (Platt scaling) cannot
say that most rows are of either set and a few, far out, of one alone. These are then corrected from equal sets to the
sizes as they are.

All heads, of all folds and penalties, stand next to each other in the columns of one matrix, and L-BFGS moves them
together: an evaluation is one fold over each of the two sets.

References
----------
Lopez-Paz and Oquab (2017), "Revisiting classifier two-sample tests". Platt (1999), "Probabilistic outputs for support
vector machines": the targets of the calibration. Chernozhukov et al. (2018), "Double/debiased machine learning":
cross-fitting.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from engine.core.chunk import Chunk
from engine.core.errors import InputError
from engine.core.progress import SILENT, Progress
from engine.store import Changed, View, in_memory
from engine.stream import CHUNK_ROWS, Workers, each, fold
from engine.summaries import Moments

Array = np.ndarray
Change = Callable[[Array], Array]
# What to choose from, the simplest first: what the correlations of the features get on their diagonal (much of it holds
# back directions of little variance, which few rows cannot tell from noise), and the penalty in units of the loss per
# squared white coordinate.
SETTINGS = ((10.0, 1.0), (1.0, 1.0), (1.0, 0.1), (1.0, 0.01), (0.01, 1.0), (0.01, 0.1), (0.01, 0.01), (0.01, 0.001))
L2 = np.array([l2 for _, l2 in SETTINGS])
SHRINKAGES = sorted({shrinkage for shrinkage, _ in SETTINGS})
# One row of so many is kept from training, to choose a penalty and to calibrate.
INNER = 5
# Fewer rows of one set cannot be cut into folds, and these into training and calibration.
LEAST_ROWS = 20
MEMORY_BYTES = 10**9
EVALUATIONS = 60
BINS = 15
# Where pieces of the calibration end, as shares of both sets at equal weight; one piece for fewer rows of a set.
KNOTS = (0.005, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.995)
LEAST_FOR_PIECES = 100
# How much each piece's rise is held back, against one row.
STIFFNESS = 0.1


@dataclass(frozen=True, eq=False)
class DomainScores:
    """Cross-fitted scores of every row of two sets, in the order of their views; 21 bytes a row.

    Attributes
    ----------
    reference : (n,), target : (m,)
        Calibrated probability that a row with these features is the target's, where a share `alpha` of all rows is.
    reference_id : (n,), target_id : (m,)
        Sample ids.
    reference_margin : (n,), target_margin : (m,)
        The head's own score, above 0 for rows that look like the target's, in logits at equal sizes, before
        calibration. Scores of different folds are of different heads.
    reference_fold : (n,), target_fold : (m,)
        By which fold a row was scored.
    alpha
        ``m / (n + m)``.
    auc
        Mean over the folds: how often a row of the target has a higher margin than one of the reference.
    accuracy
        Mean over the folds of the balanced accuracy, one half for two sets that cannot be told apart.
    log_loss
        Of the probabilities, in nats a row.
    calibration_error
        Mean distance of the probabilities from the shares they promise, over 15 bins of equal width.
    l2 : (folds,)
        The penalties that were chosen.
    direction : (d,)
        Weights of the features (after `change`, where there is one) in the margin, mean over the folds.
    """

    reference: Array
    target: Array
    reference_id: Array
    target_id: Array
    reference_margin: Array
    target_margin: Array
    reference_fold: Array
    target_fold: Array
    alpha: float
    auc: float
    accuracy: float
    log_loss: float
    calibration_error: float
    l2: Array
    direction: Array

    def by_fold(self) -> list[tuple[Array, Array]]:
        """The margins of the rows of the reference and of the target that each fold holds, where it holds some of
        both.
        """
        folds = [
            (self.reference_margin[self.reference_fold == f], self.target_margin[self.target_fold == f])
            for f in range(len(self.l2))
        ]
        return [(one, other) for one, other in folds if len(one) and len(other)]


def domain_scores(
    reference: View,
    target: View,
    *,
    seed: int = 0,
    folds: int = 2,
    change: Change | None = None,
    emphasis: Array | None = None,
    moments: tuple[Moments, Moments] | None = None,
    workers: Workers,
    progress: Progress = SILENT,
    chunk_rows: int = CHUNK_ROWS,
) -> DomainScores:
    """Tell the rows of two sets apart, every row by a head that has not seen it.

    About 20 to 60 passes over both sets, ``32 d folds`` flops a row each in float64. Sets of less than a gigabyte
    together are read once and kept, where the workers share this process's memory.

    Parameters
    ----------
    seed
        Of the hash that puts sample ids into folds.
    folds
        Two or more.
    change
        Applied to features ``(n, d)`` first; picklable.
    emphasis : (d,)
        How much the features (after `change`) count, in the penalised search for a direction; 1 for all if None.
    moments
        Of the reference and of the target, after `change`, where they are known; they save a pass.

    Raises
    ------
    InputError
        A set has fewer than 20 rows, the sets have different numbers of features, or a feature is not finite.
    """
    _checked(reference, target, folds)
    views = tuple(_ready(view, change, workers, reference.rows + target.rows) for view in (reference, target))
    known = moments or tuple(
        fold(view, _moments, workers, chunk_rows=chunk_rows, progress=progress, description="moments of both sets")
        for view in views
    )
    whitening = _Whitening.of(*known, names=(reference.store.name, target.store.name), emphasis=emphasis)
    training = _Training(views, whitening, _Parts(seed, folds), workers, progress, chunk_rows)
    weight, bias = training.heads()
    sides = [_Side(*training.margins(view, weight, bias), _Parts(seed, folds)) for view in views]
    return _scored(sides, weight, folds)


def _checked(reference: View, target: View, folds: int) -> None:
    for view in (reference, target):
        if view.rows < LEAST_ROWS:
            raise InputError(
                f"{view.store.name} has {view.rows} rows; a domain classifier needs {LEAST_ROWS} or more of each set: "
                "use a larger set"
            )
    if reference.store.dim != target.store.dim:
        raise InputError(
            f"{reference.store.name} has {reference.store.dim} features and {target.store.name} has "
            f"{target.store.dim}; extract both with the same backbone"
        )
    if folds < 2:
        raise InputError(f"cross-fitting needs 2 folds or more, got {folds}; every row is scored by a head of another")


def _ready(view: View, change: Change | None, workers: Workers, rows: int) -> View:
    fits = workers.shares_memory and rows * view.store.dim * 4 <= MEMORY_BYTES
    changed = view if change is None else View(Changed(view.store, change), view.start, view.stop)
    return in_memory(changed) if fits else changed


@dataclass(frozen=True, eq=False)
class WithConfidence:
    """A change that sets beside the features how sure a classifier is; picklable.

    A model errs where it is unsure, and how sure it is is no linear function of features. A domain classifier that is
    to explain lost accuracy should see it: the best probability, the entropy, and the log odds of best against second.

    Attributes
    ----------
    probabilities
        Features ``(n, d)`` to ``(n, k)``.
    """

    probabilities: Change

    @staticmethod
    def emphasis(dim: int) -> Array:
        """The `emphasis` ``(dim + 3,)`` with which the three count as much as all ``dim`` features together; else they
        drown among a thousand others.
        """
        return np.append(np.ones(dim), np.full(3, np.sqrt(max(dim / 3, 1))))

    def __call__(self, x: Array) -> Array:
        """Features ``(n, d + 3)`` float32."""
        p = np.maximum(np.asarray(self.probabilities(x), np.float64), 1e-12)
        if p.shape[1] < 2:
            return np.concatenate([x, np.zeros((len(x), 3))], axis=1).astype(np.float32)
        second, best = np.partition(p, p.shape[1] - 2, axis=1)[:, -2:].T
        sure = np.stack([best, -(p * np.log(p)).sum(axis=1), np.log(best / second)], axis=1)
        return np.concatenate([x, sure], axis=1).astype(np.float32)


def _moments(chunk: Chunk) -> Moments:
    return Moments.of(chunk.x)


class _Whitening(NamedTuple):
    """``z = (x - origin) root``: coordinates in which both sets together, weighing the same, have about variance one;
    ``roots : (s, d, d)``, one for each different shrinkage.
    """

    origin: Array
    roots: Array

    @classmethod
    def of(cls, reference: Moments, target: Moments, names: tuple[str, str], emphasis: Array | None) -> "_Whitening":
        for one, name in zip((reference, target), names, strict=True):
            if not (np.isfinite(one.mean).all() and np.isfinite(one.scatter).all()):
                raise InputError(f"{name} has features that are not finite; extract it again or leave those rows out")
        half = (target.mean - reference.mean) / 2
        covariance = (reference.covariance(0) + target.covariance(0)) / 2 + np.outer(half, half)
        roots = np.stack([_root(covariance, shrinkage, emphasis) for shrinkage in SHRINKAGES])
        return cls((reference.mean + target.mean) / 2, roots)

    def raw(self, point: Array) -> Array:
        """Weights ``(d, h)`` on the features from white ones."""
        found = np.empty_like(point)
        for root, mine in self._columns(point.shape[1]):
            found[:, mine] = root @ point[:, mine]
        return found

    def white(self, gradient: Array) -> Array:
        """The gradient ``(d, h)`` by white weights from the one by raw weights."""
        found = np.empty_like(gradient)
        for root, mine in self._columns(gradient.shape[1]):
            found[:, mine] = root.T @ gradient[:, mine]
        return found

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
class _Parts:
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


@dataclass(frozen=True, eq=False)
class _SlopeOf:
    """Picklable, for workers: chunk to `_Slope`, of rows that are all on one side (1 target, -1 reference)."""

    heads: _Heads
    parts: _Parts
    side: int

    def __call__(self, chunk: Chunk) -> _Slope:
        kept = ~self.parts.is_inner(chunk.sample_id)
        trains = self.parts.fold_of(chunk.sample_id[kept])[:, None] != np.arange(self.parts.folds)
        trains = np.repeat(trains, len(L2), axis=1).astype(np.float64)
        centred, margin = self.heads.margins(chunk.x[kept])
        loss = np.logaddexp(0, -self.side * margin) * trains
        pull = -self.side * expit(-self.side * margin) * trains
        return _Slope(loss.sum(axis=0), centred.T @ pull, pull.sum(axis=0), trains.sum(axis=0))


@dataclass(frozen=True, eq=False)
class _MarginOf:
    """Picklable, for workers: ids ``(n,)`` and margins ``(n, h) float32`` of a chunk."""

    heads: _Heads

    def __call__(self, _index: int, chunk: Chunk) -> tuple[Array, Array]:
        return chunk.sample_id, self.heads.margins(chunk.x)[1].astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Training:
    """All heads on their way to their minima."""

    views: tuple[View, View]
    whitening: _Whitening
    parts: _Parts
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
        found = minimize(self._value, start, jac=True, method="L-BFGS-B", options=options).x.reshape(-1, count)
        return self.whitening.raw(found[:-1]), found[-1]

    def _value(self, flat: Array) -> tuple[float, Array]:
        """The sum of all heads' losses, and its gradient, at white weights and intercepts ``(d + 1) h``."""
        point = flat.reshape(len(self.whitening.origin) + 1, -1)
        heads = _Heads(self.whitening.origin, self.whitening.raw(point[:-1]), point[-1])
        penalty = np.tile(L2, self.parts.folds)
        value = 0.5 * float((penalty * np.square(point[:-1]).sum(axis=0)).sum())
        gradient = np.concatenate([penalty * point[:-1], np.zeros((1, len(penalty)))])
        for view, side in zip(self.views, (-1, 1), strict=True):
            slope = self._slope(view, _SlopeOf(heads, self.parts, side))
            share = 0.5 / np.maximum(slope.rows, 1)
            value += float((share * slope.loss).sum())
            gradient[:-1] += self.whitening.white(share * slope.weight)
            gradient[-1] += share * slope.bias
        return value, gradient.ravel()

    def _slope(self, view: View, of: _SlopeOf) -> _Slope:
        return fold(
            view, of, self.workers, chunk_rows=self.chunk_rows, progress=self.progress, description="tell sets apart"
        )

    def margins(self, view: View, weight: Array, bias: Array) -> tuple[Array, Array]:
        """Sample ids ``(n,)`` and margins ``(n, h)`` of all rows of `view`."""
        of = _MarginOf(_Heads(self.whitening.origin, weight, bias))
        found = each(
            view, of, self.workers, chunk_rows=self.chunk_rows, progress=self.progress, description="domain scores"
        )
        return np.concatenate([ids for ids, _ in found]), np.concatenate([margin for _, margin in found])


class _Side(NamedTuple):
    """All rows of one set: ids ``(n,)`` and margins ``(n, h)`` of every head."""

    sample_id: Array
    margin: Array
    parts: _Parts

    @property
    def fold(self) -> Array:
        return self.parts.fold_of(self.sample_id)

    def inner(self, fold: int, head: int) -> Array:
        """Margins of the rows that trained no head and lie outside `fold`."""
        return self.margin[self.parts.is_inner(self.sample_id) & (self.fold != fold), head].astype(np.float64)


class _Chosen(NamedTuple):
    """The head of a fold, and how its margins become log odds at equal sizes."""

    head: int
    curve: "Curve"


def _scored(sides: list[_Side], weight: Array, folds: int) -> DomainScores:
    chosen = [_choice(sides, index) for index in range(folds)]
    rows = [len(side.sample_id) for side in sides]
    prior = np.log(rows[1] / rows[0])
    heads = np.array([one.head for one in chosen])
    margins = [side.margin[np.arange(n), heads[side.fold]] for side, n in zip(sides, rows, strict=True)]
    odds = [prior + _log_odds(side.fold, margin, chosen) for side, margin in zip(sides, margins, strict=True)]
    probability = [expit(one) for one in odds]
    losses = [np.logaddexp(0, odds[0]).sum(), np.logaddexp(0, -odds[1]).sum()]
    found = [side.fold for side in sides]
    pairs = [(margins[0][found[0] == index], margins[1][found[1] == index]) for index in range(folds)]
    pairs = [pair for pair in pairs if len(pair[0]) and len(pair[1])]
    return DomainScores(
        *probability,
        *(side.sample_id for side in sides),
        *margins,
        *found,
        alpha=rows[1] / sum(rows),
        auc=float(np.mean([area_under_curve(*pair) for pair in pairs])),
        accuracy=float(np.mean([balanced_accuracy(*pair) for pair in pairs])),
        log_loss=float(sum(losses)) / sum(rows),
        calibration_error=calibration_error(*probability),
        l2=L2[heads % len(L2)],
        direction=weight[:, heads].mean(axis=1),
    )


def _log_odds(fold: Array, margin: Array, chosen: list[_Chosen]) -> Array:
    found = np.empty(len(margin))
    for index, one in enumerate(chosen):
        found[fold == index] = one.curve(margin[fold == index])
    return found


def _choice(sides: list[_Side], index: int) -> _Chosen:
    """The head of a fold whose calibrated loss is least on rows that neither trained it nor lie in the fold; of equals
    the one with the stronger penalty.
    """
    heads = range(index * len(L2), (index + 1) * len(L2))
    tried = [(Curve.fit(*(side.inner(index, head) for side in sides)), head) for head in heads]
    curve, head = min(tried, key=lambda one: one[0].loss)
    return _Chosen(head, curve)


@dataclass(frozen=True, eq=False)
class Curve:
    """Log odds at equal sizes from margins: a continuous curve of straight pieces that nowhere falls.

    Attributes
    ----------
    knots : (q,)
        Ends of the pieces, ascending; the outer pieces go on beyond.
    rises : (q - 1,)
        By how much the log odds rise over each piece, 0 or more.
    offset
        Log odds at the first knot.
    loss
        Balanced, in nats, on the rows that it was fitted to; infinite where there were none.
    """

    knots: Array
    rises: Array
    offset: float
    loss: float

    @classmethod
    def fit(cls, reference: Array, target: Array) -> "Curve":
        """The curve of least loss through margins of the two sets, both weighing the same.

        Targets are not 0 and 1 but a row short of that, as Platt proposes (here alike for both sets, which keeps equal
        sets at even odds), so that separable margins give finite numbers. A head that ranks rows the wrong way round
        has found nothing: the curve is flat then. Without rows of both sets the margins are taken as they stand.
        """
        n, m = len(reference), len(target)
        if not (n and m):
            return cls(np.array([0.0, 1.0]), np.ones(1), 0.0, np.inf)
        margin = np.concatenate([reference, target])
        short = 1 / (min(n, m) + 2)
        wanted = np.repeat([short, 1 - short], [n, m])
        share = np.repeat([0.5 / n, 0.5 / m], [n, m])
        knots = _knots(reference, target)
        columns = np.concatenate([_pieces(margin, knots), np.ones((1, n + m))])
        stiffness = np.append(np.full(len(knots) - 1, STIFFNESS / (n + m)), 0.0)

        def loss(point: Array) -> tuple[float, Array]:
            score = point @ columns
            value = share @ (np.logaddexp(0, score) - wanted * score) + 0.5 * stiffness @ np.square(point)
            return float(value), columns @ (share * (expit(score) - wanted)) + stiffness * point

        bounds = [(0, None)] * (len(knots) - 1) + [(None, None)]
        found = minimize(loss, np.zeros(len(knots)), jac=True, method="L-BFGS-B", bounds=bounds)
        return cls(knots, found.x[:-1], float(found.x[-1]), float(found.fun))

    def __call__(self, margin: Array) -> Array:
        """Log odds ``(n,)``."""
        return self.rises @ _pieces(np.asarray(margin, np.float64), self.knots) + self.offset


def _knots(reference: Array, target: Array) -> Array:
    """The margins at fixed shares of both sets; one piece where there are few rows, or few different ones."""
    shares = KNOTS if min(len(reference), len(target)) >= LEAST_FOR_PIECES else (KNOTS[0], KNOTS[-1])
    pooled = (
        np.concatenate([reference, target]),
        np.repeat([0.5 / len(reference), 0.5 / len(target)], [len(reference), len(target)]),
    )
    order = np.argsort(pooled[0], kind="stable")
    reached = np.cumsum(pooled[1][order])
    knots = np.unique(pooled[0][order][np.minimum(np.searchsorted(reached, shares), len(order) - 1)])
    return knots if len(knots) > 1 and np.ptp(knots) > 1e-12 else np.array([knots[0] - 1, knots[0] + 1])


def _pieces(margin: Array, knots: Array) -> Array:
    """How far along each piece margins ``(n,)`` are, ``(q - 1, n)``: 0 to 1, and beyond at the outer ends."""
    along = (margin - knots[:-1, None]) / np.diff(knots)[:, None]
    low, high = np.zeros(len(along)), np.ones(len(along))
    low[0], high[-1] = -np.inf, np.inf
    return np.clip(along, low[:, None], high[:, None])


def area_under_curve(reference: Array, target: Array) -> float:
    """How often a margin of the target is above one of the reference, ties counting half."""
    ranks = rankdata(np.concatenate([reference, target]))
    m = len(target)
    return float((ranks[len(reference) :].sum() - m * (m + 1) / 2) / (len(reference) * m))


def balanced_accuracy(reference: Array, target: Array) -> float:
    """Mean of the shares of each set on its side of 0; a margin of 0 is half right."""
    return float(0.5 + (np.sign(target).mean() - np.sign(reference).mean()) / 4)


def calibration_error(reference: Array, target: Array, bins: int = BINS) -> float:
    """Expected calibration error of probabilities of being the target's, over right-closed bins of equal width."""
    probability = np.concatenate([reference, target])
    where = np.clip(np.ceil(probability * bins).astype(int) - 1, 0, bins - 1)
    promised = np.bincount(where, weights=probability, minlength=bins)
    kept = np.bincount(where[len(reference) :], minlength=bins)
    return float(np.abs(promised - kept).sum() / len(probability))

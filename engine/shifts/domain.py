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
together: an evaluation is one fold over the first rows of each of the two sets, which stand in random order. From more
rows than `training_rows` a head of d weights would learn next to nothing: what it loses to the best one is about
``d / (2 n)`` nats a row. All rows are scored, and each by a head that has not seen its fold.

References
----------
Lopez-Paz and Oquab (2017), "Revisiting classifier two-sample tests". Platt (1999), "Probabilistic outputs for support
vector machines": the targets of the calibration. Chernozhukov et al. (2018), "Double/debiased machine learning":
cross-fitting.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.shifts.domain_heads import L2, Parts, Training, Whitening, moments_of
from gapscope.shifts.rising import Curve
from gapscope.shifts.separation import area_under_curve, balanced_accuracy, calibration_error
from gapscope.store import ArrayStore, Changed, View, in_memory
from gapscope.stream import CHUNK_ROWS, Workers, fold
from gapscope.summaries import Moments

Array = np.ndarray
Change = Callable[[Array], Array]
# Fewer rows of one set cannot be cut into folds, and these into training and calibration.
LEAST_ROWS = 20
MEMORY_BYTES = 10**9
# Heads learn from so many numbers of each set, and from so many rows for each of their weights at least.
TRAINING_NUMBERS, ROWS_A_WEIGHT = 2**26, 32


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
    learnt : (2,)
        From how many rows of each set, the reference first, heads and calibration come at most.
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
    learnt: tuple[int, int] = (0, 0)

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

    About 20 to 60 passes over the rows that heads learn from, ``32 d folds`` flops a row each in float64, and one over
    all. Up to a gigabyte of both sets together is read once and kept, where the workers share this process's memory.

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
    dim = views[0].store.dim
    learning = tuple(View(view.store, view.start, view.start + training_rows(view.rows, dim)) for view in views)
    learning = tuple(_ready(view, None, workers, sum(one.rows for one in learning)) for view in learning)
    known = moments or tuple(
        fold(view, moments_of, workers, chunk_rows=chunk_rows, progress=progress, description="moments of both sets")
        for view in views
    )
    whitening = Whitening.of(*known, names=(reference.store.name, target.store.name), emphasis=emphasis)
    training = Training(learning, whitening, Parts(seed, folds), workers, progress, chunk_rows)
    weight, bias = training.heads()
    sides = [_Side(*training.margins(view, weight, bias), Parts(seed, folds)) for view in views]
    return replace(_scored(sides, weight, folds), learnt=tuple(view.rows for view in learning))


def training_rows(rows: int, dim: int) -> int:
    """From how many of the first rows of a set of so many heads learn."""
    return min(rows, max(TRAINING_NUMBERS // dim, ROWS_A_WEIGHT * dim))


def _checked(reference: View, target: View, folds: int) -> None:
    for view in (reference, target):
        if view.rows < LEAST_ROWS:
            raise InputError(
                f"{view.store.name} has {counted(view.rows, 'row')}; a domain classifier needs {LEAST_ROWS} or more "
                "of each set: "
                "use a larger set"
            )
    if reference.store.dim != target.store.dim:
        raise InputError(
            f"{reference.store.name} has {counted(reference.store.dim, 'feature')} and {target.store.name} has "
            f"{target.store.dim}; extract both with the same backbone"
        )
    if folds < 2:
        raise InputError(f"cross-fitting needs 2 folds or more, got {folds}; every row is scored by a head of another")


def _ready(view: View, change: Change | None, workers: Workers, rows: int) -> View:
    if change is None and isinstance(view.store, ArrayStore):
        return view
    fits = workers.shares_memory and rows * view.store.dim * 4 <= MEMORY_BYTES
    changed = view if change is None else View(Changed(view.store, change), view.start, view.stop)
    return in_memory(changed) if fits else changed


class _Side(NamedTuple):
    """All rows of one set: ids ``(n,)`` and margins ``(n, h)`` of every head."""

    sample_id: Array
    margin: Array
    parts: Parts

    @property
    def fold(self) -> Array:
        return self.parts.fold_of(self.sample_id)

    def inner(self, fold: int, head: int) -> Array:
        """Margins of the rows that trained no head and lie outside `fold`."""
        return self.margin[self.parts.is_inner(self.sample_id) & (self.fold != fold), head].astype(np.float64)


class _Chosen(NamedTuple):
    """The head of a fold, and how its margins become log odds at equal sizes."""

    head: int
    curve: Curve


def _scored(sides: list[_Side], weight: Array, folds: int) -> DomainScores:
    chosen = [_choice(sides, index) for index in range(folds)]
    rows = [len(side.sample_id) for side in sides]
    prior = np.log(rows[1] / rows[0])
    heads = np.array([one.head for one in chosen])
    margins = [side.margin[np.arange(n), heads[side.fold]] for side, n in zip(sides, rows, strict=True)]
    odds = [prior + _log_odds(side.fold, margin, chosen) for side, margin in zip(sides, margins, strict=True)]
    probability = [expit(one) for one in odds]
    losses = [np.logaddexp(0, odds[0]).sum(), np.logaddexp(0, -odds[1]).sum()]
    result = [side.fold for side in sides]
    pairs = [(margins[0][result[0] == index], margins[1][result[1] == index]) for index in range(folds)]
    pairs = [pair for pair in pairs if len(pair[0]) and len(pair[1])]
    return DomainScores(
        *probability,
        *(side.sample_id for side in sides),
        *margins,
        *result,
        alpha=rows[1] / sum(rows),
        auc=float(np.mean([area_under_curve(*pair) for pair in pairs])),
        accuracy=float(np.mean([balanced_accuracy(*pair) for pair in pairs])),
        log_loss=float(sum(losses)) / sum(rows),
        calibration_error=calibration_error(*probability),
        l2=L2[heads % len(L2)],
        direction=weight[:, heads].mean(axis=1),
    )


def _log_odds(fold: Array, margin: Array, chosen: list[_Chosen]) -> Array:
    result = np.empty(len(margin))
    for index, one in enumerate(chosen):
        result[fold == index] = one.curve(margin[fold == index])
    return result


def _choice(sides: list[_Side], index: int) -> _Chosen:
    """The head of a fold whose calibrated loss is least on rows that neither trained it nor lie in the fold; of equals
    the one with the stronger penalty.
    """
    heads = range(index * len(L2), (index + 1) * len(L2))
    tried = [(Curve.fit(*(side.inner(index, head) for side in sides)), head) for head in heads]
    curve, head = min(tried, key=lambda one: one[0].loss)
    return _Chosen(head, curve)

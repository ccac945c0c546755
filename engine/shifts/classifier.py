"""Whether a linear classifier can tell two sets apart, on rows it was not trained on.

The null hypothesis is that it cannot: a balanced accuracy of one half, an area of one half under the ROC curve. Given
its head, the rows of one fold follow the textbook null. The folds do not follow it together: the head that scores one
was trained on the other, so chance that leans one way in both helps both (with many features their statistics are
nearly the same number), and N(1/2, 1/(4 n)) over all rows is wrong by up to a factor of two in the variance. So each
fold has its own p-value, and these are combined by Cauchy's rule, which holds its level under dependence; intervals add
the folds' standard errors as if they were one. `tests/test_domain.py` simulates both.

References
----------
Lopez-Paz and Oquab (2017), "Revisiting classifier two-sample tests". DeLong, DeLong and Clarke-Pearson (1988),
"Comparing the areas under two or more correlated receiver operating characteristic curves". Liu and Xie (2020), "Cauchy
combination test".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from gapscope.blocks.formats import percent
from gapscope.inference import Verdict, average_ranks
from gapscope.inference.interval import LEVEL
from gapscope.shifts.battery import Findings, Of, Pair, ReferenceSample
from gapscope.shifts.domain import LEAST_ROWS, DomainScores, domain_scores
from gapscope.shifts.looks import looks
from gapscope.shifts.separation import area_under_curve, balanced_accuracy
from gapscope.summaries import Moments

Array = np.ndarray
SIGNIFICANT = 0.05
TRAP = "resolution, compression or decoder differences separate sets perfectly too, and that is not semantic shift"
# A p-value of 1 would outvote any other in Cauchy's rule.
MOST_P, LEAST_P = 0.99, 1e-300
NAMED = 3


class Measured(NamedTuple):
    """A share with its 95 % interval and its p-value against one half, one-sided."""

    value: float
    low: float
    high: float
    p: float


class TwoSampleTest(NamedTuple):
    """What the cross-fitted scores of two sets say.

    Attributes
    ----------
    accuracy
        Balanced: one half for sets that cannot be told apart, whatever their sizes.
    auc
        How often a row of the target gets a higher score than one of the reference.
    separation
        The distance of two normal distributions of one variance that have this AUC, in standard deviations:
        ``sqrt(2) probit(auc)``.
    """

    accuracy: Measured
    auc: Measured
    separation: float

    @classmethod
    def of(cls, scores: DomainScores) -> "TwoSampleTest":
        """The test of `scores`; nothing is read."""
        folds = scores.by_fold()
        accuracy, auc = _measured([_accuracy(*pair) for pair in folds]), _measured([_auc(*pair) for pair in folds])
        edge = 0.5 / (len(scores.reference) * len(scores.target))
        return cls(accuracy, auc, float(np.sqrt(2) * ndtri(np.clip(auc.value, edge, 1 - edge))))


class _OfFold(NamedTuple):
    value: float
    error: float
    p: float


def _measured(folds: Sequence[_OfFold]) -> Measured:
    value, error, _ = np.mean(folds, axis=0)
    reach = ndtri((1 + LEVEL) / 2) * error
    return Measured(
        float(value), float(max(value - reach, 0)), float(min(value + reach, 1)), combined([one.p for one in folds])
    )


def combined(p: Sequence[float]) -> float:
    """One p-value from several that may depend on each other, by Cauchy's rule."""
    score = float(np.mean(1 / np.tan(np.pi * np.clip(p, LEAST_P, MOST_P))))
    return float(np.arctan2(1, score) / np.pi)


def _above(excess: float, error: float) -> float:
    """One-sided p-value of an excess over the null value with this standard error; 1 without any."""
    return float(ndtr(-excess / error)) if error > 0 else 1.0


def _accuracy(reference: Array, target: Array) -> _OfFold:
    """Balanced accuracy of a head on rows it has not seen. With a share q of all rows taken for the target's, its
    variance under the null is ``q (1 - q) (1/n + 1/m) / 4``: 1/(4 (n + m)) for q of a half and equal sizes.
    """
    value = balanced_accuracy(reference, target)
    n, m = len(reference), len(target)
    taken = [float((margin > 0).mean()) for margin in (reference, target)]
    error = np.sqrt(sum(share * (1 - share) / rows for share, rows in zip(taken, (n, m), strict=True))) / 2
    q = (taken[0] * n + taken[1] * m) / (n + m)
    return _OfFold(value, float(error), _above(value - 0.5, float(np.sqrt(q * (1 - q) * (1 / n + 1 / m)) / 2)))


def _auc(reference: Array, target: Array) -> _OfFold:
    """Area under the curve, its standard error by DeLong, its p-value by Mann and Whitney's null with ties."""
    n, m = len(reference), len(target)
    pooled = np.concatenate([reference, target])
    ranks = average_ranks(pooled)
    below = 1 - (ranks[:n] - average_ranks(reference)) / m
    above = (ranks[n:] - average_ranks(target)) / n
    error = np.sqrt(sum(placed.var(ddof=1) / len(placed) for placed in (below, above) if len(placed) > 1))
    ties = np.unique(pooled, return_counts=True)[1].astype(np.float64)
    tied = (ties**3 - ties).sum() / ((n + m) * max(n + m - 1, 1))
    null = np.sqrt(max(n + m + 1 - tied, 0) / (12 * n * m))
    value = area_under_curve(reference, target)
    return _OfFold(value, float(error), _above(value - 0.5, float(null)))


@dataclass(frozen=True, eq=False)
class RowSpace:
    """The coordinates of features in an orthonormal ``basis : (d, r)``; picklable."""

    basis: Array

    @classmethod
    def of(cls, head: Array) -> "RowSpace":
        """The space in which a row's movement changes some difference of scores of ``head : (k, d)``."""
        _, sizes, rows = np.linalg.svd(head - head.mean(axis=0), full_matrices=False)
        return cls(rows[sizes > 1e-10 * sizes.max(initial=0)].T.astype(np.float32))

    def __call__(self, x: Array) -> Array:
        return np.asarray(x, np.float32) @ self.basis

    def moments(self, moments: Moments) -> Moments:
        """Those of the coordinates, from those of the features."""
        basis = self.basis.astype(np.float64)
        return Moments(moments.n, moments.mean @ basis, basis.T @ moments.scatter @ basis)


@dataclass(frozen=True, eq=False)
class ClassifierTest:
    """Member of `SHIFTS`: the cross-fitted classifier two-sample test.

    It reads the rows that its heads learn from about 20 to 60 times, 65,536 of 1,024 features of each set at most and
    up to a gigabyte kept in memory, and all rows once.

    Attributes
    ----------
    head : (k, d) or None
        Weights of a linear classifier; the test is then run a second time in its row space, where only what moves its
        scores is visible.
    """

    head: Array | None = None
    needs_rows = True

    def state_bytes(self, dim: int) -> int:
        """See `Statistic`."""
        return 0

    def keeps(self, sample: ReferenceSample) -> Of | None:
        """Nothing but the moments, which are kept anyway."""
        return None

    def compares(self, pair: Pair) -> Findings:
        """Accuracy and AUC, with the features that carry the direction as columns; not measured on very few rows."""
        if min(pair.reference.n, pair.target.n) < LEAST_ROWS:
            return Findings([_too_few(name, pair) for name in ("c2st_accuracy", "c2st_auc")])
        scores = _scores(pair)
        learnt = _learnt(scores)
        columns = carriers(scores.direction, pair.reference.moments, pair.target.moments)
        result = verdicts(scores, pair, f"; it goes along {_named(columns['domain_correlation'])}{learnt}")
        result.append(_strongest(pair))
        if self.head is not None:
            seen = _scores(pair, RowSpace.of(self.head))
            result += verdicts(seen, pair, f"; this is what the classifier's own head can see{learnt}", "c2st_head")
        return Findings(result, columns)


def _strongest(pair: Pair) -> Verdict:
    """What the strongest of several classifiers of small samples says: `gap` speaks of shared inputs by the same."""
    found = looks(pair.reference.view, pair.target.view, seed=pair.options.seed)
    best, auc = max(
        ((look.name, area_under_curve(look.reference, look.target)) for look in found.each), key=itemgetter(1)
    )
    (n, m), kinds = found.rows, len(found.each)
    sentence = (
        f"The strongest of {kinds} classifiers ({best}), trained on most of the first {n:,} and {m:,} rows, picks the "
        f"target's row of a pair that it has not seen in {percent(auc)} of cases, where chance gives 50 %."
    )
    return Verdict("c2st_strongest_auc", auc, sentence, null=0.5, n=n + m)


def _learnt(scores: DomainScores) -> str:
    """From how many rows the classifier has learnt, where that is not from all, and about what that costs."""
    rows, there = scores.learnt, (len(scores.reference), len(scores.target))
    if rows == there:
        return ""
    cost = len(scores.direction) / (2 * min(rows))
    return f"; learnt from the first {rows[0]:,} and {rows[1]:,} rows, about {cost:.2g} nats a row from the best"


def _too_few(name: str, pair: Pair) -> Verdict:
    n, m = pair.reference.n, pair.target.n
    sentence = f"Not measured: a classifier of the two sets needs {LEAST_ROWS} rows of each, there are {n} and {m}."
    return Verdict(name, float("nan"), sentence, n=n + m)


def _scores(pair: Pair, change: RowSpace | None = None) -> DomainScores:
    sides = (pair.reference, pair.target)
    moments = tuple(side.moments if change is None else change.moments(side.moments) for side in sides)
    return domain_scores(
        pair.reference.view,
        pair.target.view,
        seed=pair.options.seed,
        change=change,
        moments=moments,
        workers=pair.workers,
        progress=pair.progress,
    )


def carriers(direction: Array, reference: Moments, target: Moments) -> dict[str, Array]:
    """For each feature its weight in the domain score per standard deviation, and its correlation with the score.

    Both ``(d,)``, in the sets pooled at equal weight. A feature with a large weight and no correlation only corrects
    others; one with a large correlation is how the difference looks. Features that do not vary get 0.
    """
    half = (target.mean - reference.mean) / 2
    covariance = (reference.covariance(0) + target.covariance(0)) / 2 + np.outer(half, half)
    deviation = np.sqrt(np.diagonal(covariance))
    along = covariance @ direction
    size = deviation * np.sqrt(max(direction @ along, 0))
    correlation = np.divide(along, size, out=np.zeros_like(along), where=size > 0)
    return {"domain_weight": direction * deviation, "domain_correlation": correlation}


def _named(correlation: Array) -> str:
    order = np.argsort(-np.abs(correlation), kind="stable")[:NAMED]
    names = [f"feature {index} ({correlation[index]:+.2f})" for index in order]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def verdicts(scores: DomainScores, pair: Pair, carried: str, name: str = "c2st") -> list[Verdict]:
    """Accuracy and AUC as verdicts whose metrics begin with `name`; `carried` ends what is said of a difference."""
    test = TwoSampleTest.of(scores)
    n = len(scores.reference) + len(scores.target)
    sentences = {
        "accuracy": f"A linear classifier tells rows of the two sets apart in {percent(test.accuracy.value)} of cases",
        "auc": f"Shown one row of each set, a linear classifier picks the target's in {percent(test.auc.value)} of "
        "cases",
    }
    measured = {"accuracy": test.accuracy, "auc": test.auc}
    return [
        Verdict(
            f"{name}_{kind}",
            one.value,
            _sentence(sentences[kind], one, carried, test.separation),
            one.low,
            one.high,
            one.p,
            effect=test.separation,
            null=0.5,
            n=n,
        )
        for kind, one in measured.items()
    ]


def _sentence(opening: str, result: Measured, carried: str, separation: float) -> str:
    if result.p >= SIGNIFICANT:
        return f"{opening}, where chance gives 50 %: no difference beyond what samples of this size show."
    return (
        f"{opening}, where chance gives 50 %: as two normal distributions {separation:.2f} standard deviations apart"
        f"{carried}. Look at the images before calling it a shift of content: {TRAP}."
    )


CLASSIFIER = ClassifierTest()

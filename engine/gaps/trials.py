"""Which accuracy comes back when one part of a shift is undone: every remedy by itself, and what none can exceed.

All remedies are judged in one read of the target, on the same rows, so that each is compared with the model as it is by
pairs: exact McNemar with Holm's correction over the remedies, and a bootstrap interval of the difference. Rows without
a label help to fit a remedy and are not judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import ceil
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.gaps.refits import refit_errors
from gapscope.gaps.upper_bound import FOLDS, JUDGED_ROWS, PROBE, Fold, Oracle, RidgeOracle, oracles
from gapscope.inference import adjusted, interval_of, mcnemar, paired_interval_of_counts, resampled_sums
from gapscope.inference.bootstrap import REPLICATES
from gapscope.inference.shrunk import NORMAL
from gapscope.probes.model import Classifier
from gapscope.remedies import REMEDIES
from gapscope.remedies.fitted import BothMoments, FittedRemedy, moments_of_both
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries.moments import UNLABELLED

Array = np.ndarray
LEVEL = 0.05
ORACLE = "oracle"
# Labelled rows below which no oracle is trained.
ORACLE_ROWS = 50


@dataclass(frozen=True)
class RemedyTrial:
    """What one remedy does to the accuracy on the target.

    Attributes
    ----------
    name
        Of the remedy in `REMEDIES`; ``oracle`` for the upper bound.
    accuracy_before, accuracy_after
        Shares of the labelled target rows.
    regained
        Their difference; positive is better.
    low, high
        95 % interval of `regained`, by the keyed Poisson bootstrap over rows; with the chance in the fit of the remedy
        on sets of up to 5,000 rows (`gapscope.gaps.refits`), and the remedy as it is on larger ones.
    p
        Exact McNemar: as many rows are corrected as are spoilt; where the chance in the fit is known, no less than the
        interval says.
    sentence
        What came out, for people.
    adjusted_p
        Holm's correction over all remedies of the trials; the oracle's is its own p.
    n
        Labelled target rows.
    lost
        Reference accuracy less target accuracy; NaN without labels in the reference.
    note
        What the remedy rests on.
    uses_labels
        Whether target labels were used: an upper bound and no remedy.
    """

    name: str
    accuracy_before: float
    accuracy_after: float
    regained: float
    low: float
    high: float
    p: float
    sentence: str
    adjusted_p: float = 1.0
    n: int = 0
    lost: float = float("nan")
    note: str = ""
    uses_labels: bool = False


class PairedCounts(NamedTuple):
    """Correct predictions of a model as it is and of c candidates on the same rows; those of disjoint row sets add up.

    Attributes
    ----------
    n
        Labelled rows.
    before
        Rows that the model gets right as it is.
    after : (c,) int64
        Rows that each candidate gets right.
    corrected, spoilt : (c,) int64
        Rows that only the candidate gets right, and only the model as it is.
    resampled : (replicates, 1 + c)
        In each replicate: rows, and rows corrected less rows spoilt.
    """

    n: int
    before: int
    after: Array
    corrected: Array
    spoilt: Array
    resampled: Array

    @classmethod
    def of(cls, sample_id: Array, before: Array, after: Array, seed: int, replicates: int) -> "PairedCounts":
        """Of rows with ``before : (n,) bool`` and ``after : (n, c) bool``."""
        change = after.astype(np.int8) - before[:, None]
        values = np.concatenate([np.ones((len(before), 1)), change], axis=1)
        sums = resampled_sums(sample_id, values, seed, replicates)
        counts = (after.sum(axis=0), (change > 0).sum(axis=0), (change < 0).sum(axis=0))
        return cls(len(before), int(before.sum()), *counts, sums)

    def merge(self, other: "PairedCounts") -> "PairedCounts":
        """Of both row sets together."""
        return PairedCounts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def interval(self, candidate: int) -> tuple[float, float]:
        """95 % interval of the accuracy that a candidate regains."""
        rows, change = self.resampled[:, 0], self.resampled[:, 1 + candidate]
        drawn = interval_of(np.divide(change, rows, out=np.full(len(rows), np.nan), where=rows > 0))
        return paired_interval_of_counts(int(self.corrected[candidate]), int(self.spoilt[candidate]), self.n, drawn)


@dataclass(frozen=True, eq=False)
class _Judge:
    """Picklable, for workers: the counts of a chunk."""

    model: Classifier
    remedies: tuple[FittedRemedy, ...]
    classes: Array
    seed: int
    replicates: int

    def __call__(self, chunk: Chunk) -> PairedCounts:
        known = chunk.y != UNLABELLED
        x, label = chunk.x[known], self.classes[chunk.y[known]]
        after = [remedy.scores(self.model, x).argmax(axis=1) == label for remedy in self.remedies]
        table = np.stack(after, axis=1) if after else np.zeros((len(x), 0), bool)
        return PairedCounts.of(
            chunk.sample_id[known], self.model.predict(x) == label, table, self.seed, self.replicates
        )


@dataclass(frozen=True, eq=False)
class _JudgeOracle:
    """Picklable, for workers: the counts of oracles on rows that they were not trained on."""

    model: Classifier
    oracles: tuple[Oracle | RidgeOracle, ...]
    classes: Array
    seed: int
    replicates: int

    def __call__(self, chunk: Chunk) -> PairedCounts:
        known = chunk.y != UNLABELLED
        x, label = chunk.x[known], self.classes[chunk.y[known]]
        after = np.stack([oracle.predict(x) == label for oracle in self.oracles], axis=1)
        return PairedCounts.of(
            chunk.sample_id[known], self.model.predict(x) == label, after, self.seed, self.replicates
        )


def try_remedies(
    model: Classifier,
    reference: View,
    target: View,
    *,
    workers: Workers,
    progress: Progress = SILENT,
    replicates: int = REPLICATES,
    seed: int = 0,
    names: Sequence[str] = tuple(REMEDIES),
    oracle: str = PROBE,
    folds: int = FOLDS,
    moments: BothMoments | None = None,
    reference_classes: Array | None = None,
    target_classes: Array | None = None,
) -> tuple[RemedyTrial, ...]:
    """A trial for each remedy of `names`, and one for the upper bound unless `oracle` is empty.

    About three reads of the reference, and four of the target with as many more as folds are judged. Where fewer than
    50 target rows have labels, or some are synthetic, the oracle is left out, and `progress` says so.

    Parameters
    ----------
    oracle
        Member of `PROBES` whose cross-fitted accuracy bounds what can be won back; empty for none.
    moments
        Of both sets, where they are known already.
    reference_classes, target_classes : (c,) int
        The model's class index for each class index of the set; the same indices if None.

    Raises
    ------
    InputError
        No target row has a label, a set has no rows, or a feature is not finite.
    """
    moments = moments or moments_of_both(reference, target, workers, progress)
    own, theirs = (_indices(*pair) for pair in ((reference, reference_classes), (target, target_classes)))
    remedies = tuple(REMEDIES[name].fit(model, reference, target, workers, progress, moments) for name in names)
    judge = _Judge(model, remedies, theirs, seed, replicates)
    counts = fold(target, judge, workers, progress=progress, description=f"remedies of {target.store.name}")
    if not counts.n:
        raise InputError(
            f"no row of {target.store.name} has a label, so nothing says what a remedy regains; add labels"
        )
    alone = _Judge(model, (), own, seed, 1)
    at_home = fold(reference, alone, workers, progress=progress, description=f"accuracy on {reference.store.name}")
    lost = at_home.before / at_home.n - counts.before / counts.n if at_home.n else float("nan")
    errors = refit_errors(model, reference, target, theirs, names, workers, seed)
    pairs = zip(remedies, errors, strict=True)
    trials = _corrected([_trial(counts, index, *pair, lost) for index, pair in enumerate(pairs)])
    if not oracle:
        return trials
    if counts.n < ORACLE_ROWS:
        progress.say(f"{counts.n} labelled target rows are too few for an upper bound; it is left out")
        return trials
    if target.unseen < target.rows:
        progress.say(
            f"{target.store.name} has synthetic rows, made from others of its rows, so that no fold of it is unseen "
            "by a head trained on the rest; the upper bound is left out"
        )
        return trials
    which = {"probe": oracle, "folds": folds, "judged": ceil(folds * JUDGED_ROWS / counts.n), "seed": seed}
    parts = oracles(model, target, theirs, remedies, workers, progress, **which)
    judged = (_judged(model, part, theirs, seed, replicates, workers, progress) for part in parts)
    return (*trials, _bound(reduce(PairedCounts.merge, judged), parts, folds, lost))


def _indices(view: View, classes: Array | None) -> Array:
    return np.arange(len(view.store.class_names)) if classes is None else np.asarray(classes)


def _judged(
    model: Classifier, part: Fold, classes: Array, seed: int, replicates: int, workers: Workers, progress: Progress
) -> PairedCounts:
    judge = _JudgeOracle(model, part.oracles, classes, seed, replicates)
    return fold(part.rows, judge, workers, progress=progress, description=f"upper bound on {part.rows.store.name}")


def _trial(counts: PairedCounts, index: int, remedy: FittedRemedy, error: float, lost: float) -> RemedyTrial:
    """What one remedy does, of which the fit alone has a standard `error`."""
    p = mcnemar(int(counts.corrected[index]), int(counts.spoilt[index]))
    before, after = counts.before / counts.n, int(counts.after[index]) / counts.n
    regained = (int(counts.corrected[index]) - int(counts.spoilt[index])) / counts.n
    low, high = _widened(regained, counts.interval(index), error)
    if error > 0:
        p = max(p, float(2 * ndtr(-abs(regained) * 2 * NORMAL / (high - low))))
    about = {"n": counts.n, "lost": lost, "note": remedy.note}
    return RemedyTrial(remedy.name, before, after, regained, low, high, p, remedy.what, **about)


def _widened(value: float, interval: tuple[float, float], error: float) -> tuple[float, float]:
    """An interval around a value with a further standard error in it."""
    more = NORMAL * error
    low, high = (float(np.hypot(value - interval[0], more)), float(np.hypot(interval[1] - value, more)))
    return value - low, value + high


def _corrected(trials: Sequence[RemedyTrial]) -> tuple[RemedyTrial, ...]:
    """The trials with corrected p-values and the sentences these allow; each comes with its subject as sentence."""
    ps = adjusted(np.array([trial.p for trial in trials]), "holm")
    return tuple(
        replace(trial, adjusted_p=float(p), sentence=_sentence(trial, trial.sentence, float(p)))
        for trial, p in zip(trials, ps, strict=True)
    )


def _bound(counts: PairedCounts, parts: Sequence[Fold], folds: int, lost: float) -> RemedyTrial:
    """The best of the oracles on the rows of the folds that are judged."""
    best = int(counts.after.argmax())
    kinds, name = len(parts[0].oracles), parts[0].oracles[best].name
    rows = f"{len(parts)} folds of {counts.n:,} labelled target rows"
    if len(parts) < folds:
        rows = f"{folds} folds and judged on {counts.n:,} labelled target rows"
    note = f"the best of {kinds} heads ({name}), cross-fitted over {rows}"
    trial = _trial(counts, best, FittedRemedy(ORACLE, "", note), 0.0, lost)
    subject = f"the best of {kinds} heads trained on the target's own labels, judged on rows that it did not see,"
    sentence = f"what target labels allow, and no remedy: {_sentence(trial, subject, trial.p)}"
    return replace(trial, sentence=sentence, adjusted_p=trial.p, uses_labels=True)


def _sentence(trial: RemedyTrial, subject: str, p: float) -> str:
    """What a trial says, given the p-value that counts."""
    interval = f"(95 % interval {_points(trial.low)} to {_points(trial.high)} points, p = {p:.2g})"
    if p > LEVEL:
        return f"{subject} regains nothing beyond chance: {_points(trial.regained)} points {interval}"
    if trial.regained < 0:
        return f"{subject} costs {-100 * trial.regained:.1f} points more {interval}"
    if not trial.lost > 0:
        return f"{subject} gains {100 * trial.regained:.1f} points, though none were lost {interval}"
    if trial.regained > trial.lost:
        more = 100 * (trial.regained - trial.lost)
        return f"{subject} regains all {100 * trial.lost:.1f} points lost and {more:.1f} more {interval}"
    return f"{subject} regains {100 * trial.regained:.1f} of the {100 * trial.lost:.1f} points lost {interval}"


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:+.1f}"  # adding 0.0 makes -0.0 a plain zero

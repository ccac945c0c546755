"""Which accuracy comes back when one part of a shift is undone: every remedy by itself, and what none can exceed.

All repairs are judged in one read of the target, on the same rows, so that each is compared with the model as it is by
pairs: exact McNemar with Holm's correction over the remedies, and a bootstrap interval of the difference. Rows without
a label help to fit a repair and are not judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import NamedTuple

import numpy as np
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.gaps.upper_bound import FOLDS, PROBE, Fold, Oracle, oracles
from gapscope.inference import adjusted, interval_of, mcnemar, resampled_sums
from gapscope.inference.bootstrap import REPLICATES
from gapscope.probes.model import Classifier
from gapscope.remedies import REMEDIES
from gapscope.remedies.repair import BothMoments, Repair, moments_of_both
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries.moments import UNLABELLED

Array = np.ndarray
LEVEL = 0.05
ORACLE = "oracle"
# Labelled rows below which no oracle is trained.
ORACLE_ROWS = 50


@dataclass(frozen=True)
class Rung:
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
        95 % interval of `regained`, by the keyed Poisson bootstrap over rows; the repair itself is not refitted.
    p
        Exact McNemar: as many rows are repaired as are spoilt.
    sentence
        What came out, for people.
    adjusted_p
        Holm's correction over all remedies of the ladder; the oracle's is its own p.
    n
        Labelled target rows.
    lost
        Reference accuracy less target accuracy; NaN without labels in the reference.
    note
        What the repair rests on.
    uses_labels
        Whether target labels were used: an upper bound and no repair.
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


class Answers(NamedTuple):
    """Right answers of a model as it is and of c candidates on the same rows; those of disjoint row sets add up.

    Attributes
    ----------
    n
        Labelled rows.
    before
        Rows that the model gets right as it is.
    after : (c,) int64
        Rows that each candidate gets right.
    repaired, spoilt : (c,) int64
        Rows that only the candidate gets right, and only the model as it is.
    resampled : (replicates, 1 + c)
        In each replicate: rows, and rows repaired less rows spoilt.
    """

    n: int
    before: int
    after: Array
    repaired: Array
    spoilt: Array
    resampled: Array

    @classmethod
    def of(cls, sample_id: Array, before: Array, after: Array, seed: int, replicates: int) -> "Answers":
        """Of rows with ``before : (n,) bool`` and ``after : (n, c) bool``."""
        change = after.astype(np.int8) - before[:, None]
        values = np.concatenate([np.ones((len(before), 1)), change], axis=1)
        sums = resampled_sums(sample_id, values, seed, replicates)
        counts = (after.sum(axis=0), (change > 0).sum(axis=0), (change < 0).sum(axis=0))
        return cls(len(before), int(before.sum()), *counts, sums)

    def merge(self, other: "Answers") -> "Answers":
        """Of both row sets together."""
        return Answers(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def interval(self, candidate: int) -> tuple[float, float]:
        """95 % interval of the accuracy that a candidate regains."""
        rows, change = self.resampled[:, 0], self.resampled[:, 1 + candidate]
        return interval_of(np.divide(change, rows, out=np.full(len(rows), np.nan), where=rows > 0))


@dataclass(frozen=True, eq=False)
class _Judge:
    """Picklable, for workers: the answers on a chunk."""

    model: Classifier
    repairs: tuple[Repair, ...]
    classes: Array
    seed: int
    replicates: int

    def __call__(self, chunk: Chunk) -> Answers:
        known = chunk.y != UNLABELLED
        x, label = chunk.x[known], self.classes[chunk.y[known]]
        after = [repair.scores(self.model, x).argmax(axis=1) == label for repair in self.repairs]
        table = np.stack(after, axis=1) if after else np.zeros((len(x), 0), bool)
        return Answers.of(chunk.sample_id[known], self.model.predict(x) == label, table, self.seed, self.replicates)


@dataclass(frozen=True, eq=False)
class _JudgeOracle:
    """Picklable, for workers: the answers of an oracle on rows that it has not seen."""

    oracle: Oracle
    classes: Array
    seed: int
    replicates: int

    def __call__(self, chunk: Chunk) -> Answers:
        known = chunk.y != UNLABELLED
        x, label = chunk.x[known], self.classes[chunk.y[known]]
        before, after = self.oracle.model.predict(x) == label, self.oracle.predict(x) == label
        return Answers.of(chunk.sample_id[known], before, after[:, None], self.seed, self.replicates)


def ladder(
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
) -> tuple[Rung, ...]:
    """A rung for each remedy of `names`, and one for the upper bound unless `oracle` is empty.

    About three reads of the reference, and four of the target with as many more as there are folds. Where fewer than 50
    target rows have labels, or some are synthetic, the oracle is left out, and `progress` is told.

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
    repairs = tuple(REMEDIES[name].fit(model, reference, target, workers, progress, moments) for name in names)
    judge = _Judge(model, repairs, theirs, seed, replicates)
    answers = fold(target, judge, workers, progress=progress, description=f"repairs of {target.store.name}")
    if not answers.n:
        raise InputError(
            f"no row of {target.store.name} has a label, so nothing says what a repair regains; add labels"
        )
    alone = _Judge(model, (), own, seed, 1)
    at_home = fold(reference, alone, workers, progress=progress, description=f"accuracy on {reference.store.name}")
    lost = at_home.before / at_home.n - answers.before / answers.n if at_home.n else float("nan")
    rungs = _corrected([_rung(answers, index, repair, lost) for index, repair in enumerate(repairs)])
    if not oracle:
        return rungs
    if answers.n < ORACLE_ROWS:
        progress.say(f"{answers.n} labelled target rows are too few for an upper bound; it is left out")
        return rungs
    if target.unseen < target.rows:
        progress.say(
            f"{target.store.name} has synthetic rows, made from others of its rows, so that no fold of it is unseen "
            "by a head trained on the rest; the upper bound is left out"
        )
        return rungs
    parts = oracles(model, target, theirs, repairs, workers, progress, probe=oracle, folds=folds, seed=seed)
    bound = reduce(Answers.merge, (_judged(part, theirs, seed, replicates, workers, progress) for part in parts))
    return (*rungs, _bound(bound, oracle, folds, lost))


def _indices(view: View, classes: Array | None) -> Array:
    return np.arange(len(view.store.class_names)) if classes is None else np.asarray(classes)


def _judged(part: Fold, classes: Array, seed: int, replicates: int, workers: Workers, progress: Progress) -> Answers:
    judge = _JudgeOracle(part.oracle, classes, seed, replicates)
    return fold(part.rows, judge, workers, progress=progress, description=f"upper bound on {part.rows.store.name}")


def _rung(answers: Answers, index: int, repair: Repair, lost: float) -> Rung:
    p = mcnemar(int(answers.repaired[index]), int(answers.spoilt[index]))
    before, after = answers.before / answers.n, int(answers.after[index]) / answers.n
    low, high = answers.interval(index)
    regained = (int(answers.repaired[index]) - int(answers.spoilt[index])) / answers.n
    about = {"n": answers.n, "lost": lost, "note": repair.note}
    return Rung(repair.name, before, after, regained, low, high, p, repair.what, **about)


def _corrected(rungs: Sequence[Rung]) -> tuple[Rung, ...]:
    """The rungs with corrected p-values and the sentences these allow; each comes with its subject as sentence."""
    ps = adjusted(np.array([rung.p for rung in rungs]), "holm")
    return tuple(
        replace(rung, adjusted_p=float(p), sentence=_sentence(rung, rung.sentence, float(p)))
        for rung, p in zip(rungs, ps, strict=True)
    )


def _bound(answers: Answers, probe: str, folds: int, lost: float) -> Rung:
    note = f"{probe} heads beside the model, cross-fitted over {folds} folds of {answers.n:,} labelled target rows"
    rung = _rung(answers, 0, Repair(ORACLE, "", note), lost)
    found = _sentence(rung, "a head trained on the target's own labels, judged on rows it has not seen,", rung.p)
    sentence = f"upper bound, which uses target labels and is no repair: {found}"
    return replace(rung, sentence=sentence, adjusted_p=rung.p, uses_labels=True)


def _sentence(rung: Rung, subject: str, p: float) -> str:
    """What a rung says, given the p-value that counts."""
    interval = f"(95 % interval {_points(rung.low)} to {_points(rung.high)} points, p = {p:.2g})"
    if rung.regained == 0 and rung.p == 1 and rung.low == rung.high == 0:
        return f"{subject} regains nothing: every answer stays right or wrong as it was"
    if p > LEVEL:
        return f"{subject} regains nothing beyond noise: {_points(rung.regained)} points {interval}"
    if rung.regained < 0:
        return f"{subject} costs {-100 * rung.regained:.1f} points more {interval}"
    if not rung.lost > 0:
        return f"{subject} gains {100 * rung.regained:.1f} points, though none were lost {interval}"
    if rung.regained > rung.lost:
        more = 100 * (rung.regained - rung.lost)
        return f"{subject} regains all {100 * rung.lost:.1f} points lost and {more:.1f} more {interval}"
    return f"{subject} regains {100 * rung.regained:.1f} of the {100 * rung.lost:.1f} points lost {interval}"


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:+.1f}"  # adding 0.0 makes -0.0 a plain zero

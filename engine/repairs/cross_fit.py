"""Heads from target labels, each judged on labelled rows that it was not fitted to, and the choice between them.

The head that is changed is chosen with the rest: that chosen without labels, or another that the rows which are fitted
to show to be better. What the choice is worth is counted on each fold by the choice that the other folds make,
so that the best of many is not taken at its word.

References
----------
Tibshirani and Tibshirani (2009), "A bias correction for the minimum error rate in cross-validation".
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.core.random import stream
from gapscope.core.text import counted
from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.repairs import WITH_LABELS
from gapscope.repairs.fit import GROUPS, NOTHING, Candidate
from gapscope.repairs.fitted import Fitted
from gapscope.repairs.groups import cells_of
from gapscope.repairs.labelled import Rows

Array = np.ndarray
# Labelled rows below which nothing is fitted to them: they could not choose between heads.
FEWEST = 10


class CrossFit(NamedTuple):
    """Candidates of which some were fitted to labels.

    Attributes
    ----------
    candidates
        Those without labels that apply, then those with them.
    correct : (n, c) bool
        Whether each labelled row is classified correctly by each candidate, fitted without it.
    fold : (n,) int
        The fold of each row.
    usual
        The column that is chosen unless another is better by more than a standard error: that without labels.
    refused
        Candidates that do not apply.
    cell : (n,) int
        The class and group of each row, where groups were named; then the worst of these decides.
    """

    candidates: list[Candidate]
    correct: Array
    fold: Array
    usual: int
    refused: list[Candidate]
    cell: Array | None = None

    def chosen(self) -> str:
        """The name of the candidate that all rows choose."""
        return self.candidates[best_of(self.correct, self.usual, self.cell)].name

    def gains(self) -> Array:
        """For each row, what the choice of the other folds changes: 1 corrected, -1 spoilt, 0 neither, ``(n,)``."""
        before = self.correct[:, 0].astype(int)
        after = before.copy()
        for fold in np.unique(self.fold):
            rows = self.fold == fold
            cell = None if self.cell is None else self.cell[~rows]
            after[rows] = self.correct[rows, best_of(self.correct[~rows], self.usual, cell)]
        return after - before


def best_of(correct: Array, usual: int, cell: Array | None = None) -> int:
    """The column with most correct rows; the `usual` one unless that is beaten by more than a standard error.

    With the class and group of each row, ``cell : (n,)``, -1 for none: the column whose worst cell is best, beside the
    worst cell of the usual one.
    """
    if cell is None:
        best = int(np.argmax(correct.sum(axis=0)))
        better = int(correct[:, best].sum()) - int(correct[:, usual].sum())
        return best if better > np.sqrt((correct[:, best] != correct[:, usual]).sum()) else usual
    share = np.stack([correct[cell == one].mean(axis=0) for one in np.unique(cell[cell >= 0])])
    best, hardest = int(np.argmax(share.min(axis=0))), int(np.argmin(share[:, usual]))
    rows = correct[cell == np.unique(cell[cell >= 0])[hardest]][:, [usual, best]]
    wins = share[:, best].min() > share[:, usual].min() and best_of(rows, 0) == 1
    return best if wins else usual


def why_not(rows: Rows, rule: Linear, class_names: Sequence[str]) -> str:
    """Why no head is fitted to these labelled rows; empty where one can be."""
    if len(rows.y) < FEWEST:
        return f"{counted(len(rows.y), 'label')} cannot choose between heads, {FEWEST} or more can"
    strangers = np.flatnonzero((rule.bias <= NEVER)[rows.y])
    if len(strangers):
        return f"some labels are of {class_names[rows.y[strangers[0]]]}, of which the model had no training rows"
    if len(np.unique(rows.y)) == 1:
        return f"all labels are of {class_names[rows.y[0]]}, and a head fitted to them would predict nothing else"
    return ""


def cross_fitted(temperature: float, free: Sequence[Candidate], chosen: str, rows: Rows, seed: int) -> CrossFit:
    """The candidates of `WITH_LABELS` beside those without; of these the first is no repair, and one is `chosen`."""
    usable = [one for one in free if one.head is not None]
    usual = [one.name for one in usable].index(chosen)
    right = np.stack([one.head.scores(rows.z).argmax(axis=1) == rows.y for one in usable], axis=1)
    fold = np.empty(len(rows.y), int)
    fold[stream(seed, "label groups").permutation(len(rows.y))] = np.arange(len(rows.y)) % GROUPS
    columns, added, refused = [right], [], []
    for name, fit in ((name, WITH_LABELS[name]) for name in WITH_LABELS):
        base, begun = usable[best_of(right, usual)], time.perf_counter()
        fitted: Fitted = fit(base.head, temperature, rows, seed)
        seconds = time.perf_counter() - begun
        if fitted.head is None:
            refused.append(Candidate(name, None, fitted.note))
            continue
        correct, heads = np.zeros((len(rows.y), 1), bool), []
        for group in range(GROUPS):
            left = fold == group
            other = usable[best_of(right[~left], usual)].head
            heads.append(fit(other, temperature, rows.take(~left), seed).head or other)
            correct[left, 0] = heads[-1].scores(rows.z[left]).argmax(axis=1) == rows.y[left]
        called = name if base.name == NOTHING else f"{base.name}+{name}"
        added.append(Candidate(called, fitted.head, fitted.note, tuple(heads), seconds, len(rows.y)))
        columns.append(correct)
    cell = None if rows.group is None else cells_of(rows.y, rows.group)[1]
    return CrossFit([*usable, *added], np.concatenate(columns, axis=1), fold, usual, refused, cell)

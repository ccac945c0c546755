"""Heads fitted to a few target labels and anchored on an old head, so that ten labels cannot do much harm.

The change of the head is penalised, and not the head; features are in units of their deviation among the labelled rows.
The change lies in the span of the labelled rows, so that n rows cost what n features would. The penalty is chosen by
groups of the labelled rows that were left out, "no change" included.

References
----------
Chen et al. (2024), "Project and probe": heads from few target labels. Wortsman et al. (2022), "Robust fine-tuning of
zero-shot models": the interpolation of two heads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from gapscope.blocks.formats import percent
from gapscope.core.random import stream
from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.repairs.fitted import Fitted

Array = np.ndarray
# Penalties of a change, for features of one unit each and the mean loss of a row; infinity leaves the old head.
PENALTIES = (np.inf, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
# Of the head of the labelled rows that an interpolation goes towards.
OWN = 0.01
# How far to go from the old head to that of the target.
SHARES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
FOLDS = 4
# Penalties in a row that improve no choice, after which smaller ones are not tried.
PATIENCE = 2
PASSES = 100
# The most that a row loses, in nats. Where labelled rows lose half of it on average, the old head counts less, for no
# small change of it would show.
MOST = 36.0
LESS = (0.0, *np.geomspace(1e-4, 1, 25))


class Rows(NamedTuple):
    """Labelled target rows as the head sees them: ``z : (n, d)``, class indices ``y : (n,)``, and the group of each,
    -1 where it is not known, None where groups are not asked for.
    """

    z: Array
    y: Array
    group: Array | None = None

    def take(self, at: Array) -> "Rows":
        """Some of them."""
        return Rows(self.z[at], self.y[at], None if self.group is None else self.group[at])


Change = tuple[Array, Array]


class Problem(NamedTuple):
    """Labelled rows in the span of themselves, and what the old head says of them; made once for all penalties.

    Attributes
    ----------
    u : (n, r + 1) float64
        Coordinates of the rows, features in units of their deviation over the root of their number, and a column of
        ones; r is at most n and d.
    back : (r, d)
        The way back to features.
    mean : (d,)
        Of the features.
    old : (n, p)
        Logits of the old head, of the classes that it was trained on.
    target : (n, p) bool
        Which of these classes each row has.
    present : (p,)
        Their indices.
    """

    rule: Linear
    temperature: float
    u: Array
    back: Array
    mean: Array
    old: Array
    target: Array
    present: Array

    @classmethod
    def of(cls, rule: Linear, temperature: float, rows: Rows) -> "Problem":
        """Costs one singular value decomposition of ``(n, d)`` where there are fewer rows than features."""
        z = np.asarray(rows.z, np.float64)
        mean, unit = z.mean(axis=0), z.std(axis=0) * np.sqrt(z.shape[1])
        unit[unit <= 1e-9 * np.abs(mean) * np.sqrt(z.shape[1])] = np.inf
        z = (z - mean) / unit
        axes = np.eye(z.shape[1]) if len(z) > z.shape[1] else _axes(z)
        u = np.concatenate([z @ axes.T, np.ones((len(z), 1))], axis=1)
        present = np.flatnonzero(rule.bias > NEVER)
        old = _logits(rule, temperature, rows.z)[:, present]
        return cls(rule, temperature, u, axes / unit, mean, old, rows.y[:, None] == present, present)

    def rest(self, left_out: slice) -> list[slice]:
        """The rows beside a run of them."""
        both = slice(0, left_out.start), slice(left_out.stop, len(self.u))
        return [one for one in both if one.start < one.stop]

    def loss(self, solution: Array | None, rows: slice) -> float:
        """Sum of the log losses of some rows after a change; that of a row is at most `MOST`, as of the least
        probability.
        """
        logits = self.old[rows] if solution is None else self.old[rows] + self.u[rows] @ solution
        found = log_softmax(logits, axis=1)[self.target[rows]]
        return float(-np.maximum(found, -MOST).sum())

    def calmed(self, left_out: slice) -> "Problem":
        """The problem with the share of the old head that suits the labels beside a run of rows best, where these lose
        half of `MOST` by it; else itself.
        """
        rest = self.rest(left_out)
        old, own = (np.concatenate([one[rows] for rows in rest]) for one in (self.old, self.target))
        if sum(self.loss(None, rows) for rows in rest) < MOST / 2 * len(old):
            return self
        losses = [-log_softmax(share * old, axis=1)[own].sum() for share in LESS]
        share = np.float32(LESS[int(np.argmin(losses))])
        bias = np.where(self.rule.bias > NEVER, share * self.rule.bias, self.rule.bias)
        return self._replace(rule=Linear(share * self.rule.weight, bias), old=share * self.old)

    def changed(self, solution: Array, share: float = 1.0) -> Linear:
        """The old head and a share of the change ``solution : (r + 1, p)`` of the logits."""
        weight, bias = (one.astype(np.float64) for one in (self.rule.weight, self.rule.bias))
        added = self.temperature * share * solution[:-1].T @ self.back
        weight[self.present] += added
        bias[self.present] += self.temperature * share * solution[-1] - added @ self.mean
        return Linear(weight.astype(np.float32), bias.astype(np.float32))


# From the problem, the penalty, the solution for a larger one to start from, and the run of rows that is left out.
Fit = Callable[[Problem, float, Array | None, slice], Array]
NO_ROWS = slice(0, 0)


def logistic(problem: Problem, penalty: float, start: Array | None = None, left_out: slice = NO_ROWS) -> Array:
    """The change with the least log loss of the labelled rows plus half `penalty` times its square; L-BFGS."""
    parts = [(problem.u[rows], problem.old[rows], problem.target[rows]) for rows in problem.rest(left_out)]
    count = sum(len(old) for _, old, _ in parts)
    shape = (problem.u.shape[1], problem.old.shape[1])

    def objective(flat: Array) -> tuple[float, Array]:
        full = flat.reshape(shape)
        loss, slope = 0.5 * penalty * np.square(flat).sum(), penalty * full
        for u, old, target in parts:
            logits = u @ full
            logits += old
            logits -= logits.max(axis=1, keepdims=True)
            own = logits[target].sum()
            np.exp(logits, out=logits)
            total = logits.sum(axis=1, keepdims=True)
            loss += (np.log(total).sum() - own) / count
            logits /= total
            logits -= target
            slope += u.T @ logits / count
        return float(loss), slope.ravel()

    first = np.zeros(shape) if start is None else start
    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": PASSES})
    return found.x.reshape(shape)


def ridge(problem: Problem, penalty: float, _start: Array | None = None, left_out: slice = NO_ROWS) -> Array:
    """What the old head's probabilities leave of the labels, regressed on the features and added to its logits, in
    units of the slope of a probability, 1/4; closed form.
    """
    parts = problem.rest(left_out)
    u, old, target = (np.concatenate([one[rows] for rows in parts]) for one in (problem.u, problem.old, problem.target))
    curved = u.T @ u / (4 * len(u)) + penalty * np.eye(u.shape[1])
    return np.linalg.solve(curved, u.T @ (target - softmax(old, axis=1)) / len(u))


def anchored_logistic(rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The old head changed by `logistic`."""
    return anchored(logistic, rule, temperature, rows, _fold_of(len(rows.y), seed))[0]


def anchored_ridge(rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The old head changed by `ridge`."""
    return anchored(ridge, rule, temperature, rows, _fold_of(len(rows.y), seed))[0]


def anchored(fit: Fit, rule: Linear, temperature: float, rows: Rows, group: Array) -> tuple[Fitted, list[Linear]]:
    """The head that `fit` makes with the penalty that has the least log loss on groups of rows that were not fitted
    to, ``group : (n,)``; and the heads without each group, ascending.

    A head without a group has the penalty that is best on the other groups. Penalties descend, each fitted from the one
    before, until none of `PATIENCE` has improved a choice.
    """
    order = np.argsort(group, kind="stable")
    problem, found = Problem.of(rule, temperature, rows.take(order)), Chosen.of(group[order])
    problems = [problem.calmed(run) for run in found.runs]
    losses = [problem.loss(None, run) for run in found.runs]
    for penalty in PENALTIES:
        if np.isfinite(penalty):
            tried = zip(problems, found.solutions, found.runs, strict=True)
            found.solutions = [fit(one, penalty, solution, run) for one, solution, run in tried]
            tried = zip(problems, found.solutions, found.runs, strict=True)
            losses = [one.loss(solution, run) for one, solution, run in tried]
        if not found.improved(penalty, np.array(losses)):
            break
    refits = zip(problems, found.refits, strict=True)
    refitted = [rule if solution is None else one.changed(solution) for one, solution in refits]
    if np.isinf(found.penalty):
        return Fitted(rule, "no change of the head does better on labels that it was not fitted to"), refitted
    problem, solution = problem.calmed(NO_ROWS), None
    for penalty in PENALTIES[1 : PENALTIES.index(found.penalty) + 1]:
        solution = fit(problem, penalty, solution, NO_ROWS)
    note = f"penalty {found.penalty:g} of the change, chosen on labels that it was not fitted to"
    note += "" if problem.rule is rule else "; the old head, which is sure of wrong classes, counts less"
    return Fitted(problem.changed(solution), note), refitted


@dataclass
class Chosen:
    """What penalties were found to be best so far, for all rows and for each group left out.

    Attributes
    ----------
    runs
        The rows of each group.
    solutions
        Of the last penalty, fitted without each group; None for no change.
    refits
        Those of the penalty that is best on the other groups.
    penalty
        That is best on all groups.
    least : (k + 1,)
        The losses of these, that of all groups last.
    waited
        For how many penalties none of these has improved.
    """

    runs: list[slice]
    solutions: list[Array | None]
    refits: list[Array | None]
    least: Array
    penalty: float = np.inf
    waited: int = 0

    @classmethod
    def of(cls, group: Array) -> "Chosen":
        """Before the first penalty, for ascending groups; without any to choose by where there is one only."""
        start = np.unique(group, return_index=True)[1]
        runs = [slice(*map(int, one)) for one in pairwise([*start, len(group)])] if len(start) > 1 else []
        nothing = [None] * len(runs)
        return cls(runs, nothing, list(nothing), np.full(len(runs) + 1, np.inf))

    def improved(self, penalty: float, losses: Array) -> bool:
        """Take in the loss of each group for a penalty, and say whether a smaller one is worth a trial."""
        those = np.append(losses.sum() - losses, losses.sum())
        better = those < self.least
        self.least = np.minimum(those, self.least)
        self.refits = [new if one else old for one, new, old in zip(better, self.solutions, self.refits, strict=False)]
        self.penalty = penalty if better[-1] else self.penalty
        self.waited = 0 if better.any() else self.waited + 1
        return self.waited < PATIENCE


def interpolated(rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The head between the old one and that of the labelled rows with the least log loss on held-out rows."""
    group = _fold_of(len(rows.y), seed)
    order = np.argsort(group, kind="stable")
    problem, runs = Problem.of(rule, temperature, rows.take(order)), Chosen.of(group[order]).runs
    losses = np.zeros(len(SHARES))
    for left in runs:
        solution = logistic(problem, OWN, None, left)
        losses += [problem.loss(share * solution, left) for share in SHARES]
    share = SHARES[int(np.argmin(losses))]
    head = problem.changed(logistic(problem, OWN), share) if share else rule
    return Fitted(head, f"{percent(share)} of the way from the old head to that of the labelled rows")


def _fold_of(n: int, seed: int) -> Array:
    """The fold that each row is left out with, ``(n,)``."""
    result = np.zeros(n, int)
    for place, (_, test) in enumerate(folds(n, seed)):
        result[test] = place
    return result


def folds(n: int, seed: int) -> Sequence[tuple[Array, Array]]:
    """Rows to fit to and rows to choose by, each row among the latter once; with one row, nothing to choose by."""
    order = stream(seed, "label folds").permutation(n)
    parts = [part for part in np.array_split(order, min(FOLDS, n)) if len(part)] if n > 1 else []
    return [(np.setdiff1d(order, part), part) for part in parts]


def _axes(z: Array) -> Array:
    """Orthonormal axes ``(r, d)`` of the span of rows ``(n, d)``."""
    _, size, axes = np.linalg.svd(z, full_matrices=False)
    return axes[size > 1e-10 * max(size.max(initial=0), 1e-300)]


def _logits(rule: Linear, temperature: float, z: Array) -> Array:
    return np.maximum(rule.scores(z).astype(np.float64) / temperature, -1e4)

"""Heads fitted to a few target labels and anchored on an old head, so that ten labels cannot do much harm.

The change of the head is penalised, and not the head; features are in units of their deviation among the labelled rows.
The change lies in the span of the labelled rows, so that n rows cost what n features would. The penalty is chosen by
cross-fitting among the labelled rows, "no change" included.

References
----------
Chen et al. (2024), "Project and probe": heads from few target labels. Wortsman et al. (2022), "Robust fine-tuning of
zero-shot models": the interpolation of two heads.
"""

from collections.abc import Callable, Iterator, Sequence
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
PASSES = 100


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
        """Costs one singular value decomposition of ``(n, d)``."""
        z = np.asarray(rows.z, np.float64)
        mean, unit = z.mean(axis=0), z.std(axis=0) * np.sqrt(z.shape[1])
        unit[unit <= 1e-9 * np.abs(mean) * np.sqrt(z.shape[1])] = np.inf
        left, size, right = np.linalg.svd((z - mean) / unit, full_matrices=False)
        kept = size > 1e-10 * max(size.max(initial=0), 1e-300)
        u = np.concatenate([left[:, kept] * size[kept], np.ones((len(z), 1))], axis=1)
        present = np.flatnonzero(rule.bias > NEVER)
        old = _logits(rule, temperature, rows.z)[:, present]
        return cls(rule, temperature, u, right[kept] / unit, mean, old, rows.y[:, None] == present, present)

    def changed(self, solution: Array, share: float = 1.0) -> Linear:
        """The old head and a share of the change ``solution : (r + 1, p)`` of the logits."""
        weight, bias = (one.astype(np.float64) for one in (self.rule.weight, self.rule.bias))
        added = self.temperature * share * solution[:-1].T @ self.back
        weight[self.present] += added
        bias[self.present] += self.temperature * share * solution[-1] - added @ self.mean
        return Linear(weight.astype(np.float32), bias.astype(np.float32))


# From the problem, the penalty, and the solution for a larger one to start from.
Fit = Callable[[Problem, float, Array | None], Array]


def logistic(problem: Problem, penalty: float, start: Array | None = None) -> Array:
    """The change with the least log loss of the labelled rows plus half `penalty` times its square; L-BFGS."""
    u, old, target = problem.u, problem.old, problem.target
    shape = (u.shape[1], old.shape[1])

    def objective(flat: Array) -> tuple[float, Array]:
        full = flat.reshape(shape)
        logits = old + u @ full
        logits -= logits.max(axis=1, keepdims=True)
        own = logits[target].sum()
        np.exp(logits, out=logits)
        total = logits.sum(axis=1, keepdims=True)
        loss = (np.log(total).sum() - own) / len(old) + 0.5 * penalty * np.square(flat).sum()
        slope = (logits / total - target) / len(old)
        return float(loss), (u.T @ slope + penalty * full).ravel()

    first = np.zeros(shape) if start is None else start
    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": PASSES})
    return found.x.reshape(shape)


def ridge(problem: Problem, penalty: float, _start: Array | None = None) -> Array:
    """What the old head's probabilities leave of the labels, regressed on the features and added to its logits, in
    units of the slope of a probability, 1/4; closed form.
    """
    u = problem.u
    left = problem.target - softmax(problem.old, axis=1)
    curved = u.T @ u / (4 * len(u)) + penalty * np.eye(u.shape[1])
    return np.linalg.solve(curved, u.T @ left / len(u))


def anchored_logistic(rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The old head changed by `logistic`."""
    return anchored(logistic, rule, temperature, rows, seed)


def anchored_ridge(rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The old head changed by `ridge`."""
    return anchored(ridge, rule, temperature, rows, seed)


def anchored(fit: Fit, rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The head that `fit` makes with the penalty that has the least log loss on rows that were not fitted to."""
    losses = np.zeros(len(PENALTIES))
    for train, test in folds(len(rows.y), seed):
        heads = [rule, *path(fit, Problem.of(rule, temperature, rows.take(train)), PENALTIES[1:])]
        losses += [_loss(head, temperature, rows.take(test)) for head in heads]
    best = int(np.argmin(losses))
    if not best:
        return Fitted(rule, "no change of the head does better on labels that it was not fitted to")
    *_, head = path(fit, Problem.of(rule, temperature, rows), PENALTIES[1 : best + 1])
    return Fitted(head, f"penalty {PENALTIES[best]:g} of the change, chosen on labels that it was not fitted to")


def path(fit: Fit, problem: Problem, penalties: Sequence[float]) -> Iterator[Linear]:
    """The heads of descending penalties, each found from the one before."""
    solution = None
    for penalty in penalties:
        solution = fit(problem, penalty, solution)
        yield problem.changed(solution)


def interpolated(rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The head between the old one and that of the labelled rows with the least log loss on held-out rows."""
    losses = np.zeros(len(SHARES))
    for train, test in folds(len(rows.y), seed):
        problem = Problem.of(rule, temperature, rows.take(train))
        solution = logistic(problem, OWN)
        losses += [_loss(problem.changed(solution, share), temperature, rows.take(test)) for share in SHARES]
    share = SHARES[int(np.argmin(losses))]
    head = rule
    if share:
        problem = Problem.of(rule, temperature, rows)
        head = problem.changed(logistic(problem, OWN), share)
    return Fitted(head, f"{percent(share)} of the way from the old head to that of the labelled rows")


def folds(n: int, seed: int) -> Sequence[tuple[Array, Array]]:
    """Rows to fit to and rows to choose by, each row among the latter once; with one row, nothing to choose by."""
    order = stream(seed, "label folds").permutation(n)
    parts = [part for part in np.array_split(order, min(FOLDS, n)) if len(part)] if n > 1 else []
    return [(np.setdiff1d(order, part), part) for part in parts]


def _logits(rule: Linear, temperature: float, z: Array) -> Array:
    return np.maximum(rule.scores(z).astype(np.float64) / temperature, -1e4)


def _loss(rule: Linear, temperature: float, rows: Rows) -> float:
    """Sum of the log losses; that of a row is at most 36 nats, as of the least probability."""
    found = log_softmax(_logits(rule, temperature, rows.z), axis=1)[np.arange(len(rows.y)), rows.y]
    return float(-np.maximum(found, -36).sum())

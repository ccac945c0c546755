"""Heads fitted to a few target labels and anchored on an old head, so that ten labels cannot do much harm.

The change of the head is penalised, and not the head; features are in units of their deviation among the labelled rows.
The change lies in the span of the labelled rows, so that n rows cost what n features would. The penalty is chosen by
cross-fitting among the labelled rows, "no change" included.

References
----------
Chen et al. (2024), "Project and probe": heads from few target labels. Wortsman et al. (2022), "Robust fine-tuning of
zero-shot models": the interpolation of two heads.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from gapscope.core.random import stream
from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.repairs.fitted import Fitted

Array = np.ndarray
# Penalties of a change, for features of one unit each and the mean loss of a row; infinity leaves the old head.
PENALTIES = (np.inf, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
# How far to go from the old head to that of the target.
SHARES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
FOLDS = 4
PASSES = 100


class Rows(NamedTuple):
    """Labelled target rows as the head sees them: ``z : (n, d)``, class indices ``y : (n,)``."""

    z: Array
    y: Array

    def take(self, at: Array) -> "Rows":
        """Some of them."""
        return Rows(self.z[at], self.y[at])


Change = tuple[Array, Array]
Fit = Callable[[Linear, float, Rows, float], Change]


class Basis(NamedTuple):
    """Coordinates of rows in the span of some of them: ``u : (n, r)``, and the way back ``back : (r, d)``; ``mean``."""

    u: Array
    back: Array
    mean: Array

    @classmethod
    def of(cls, z: Array) -> "Basis":
        """Features in units of their deviation, over the root of their number; r is at most n and d."""
        z = np.asarray(z, np.float64)
        mean, unit = z.mean(axis=0), z.std(axis=0) * np.sqrt(z.shape[1])
        unit[unit <= 1e-9 * np.abs(mean) * np.sqrt(z.shape[1])] = np.inf
        left, size, right = np.linalg.svd((z - mean) / unit, full_matrices=False)
        kept = size > 1e-10 * max(size.max(initial=0), 1e-300)
        return cls(left[:, kept] * size[kept], right[kept] / unit, mean)

    def change(self, coefficients: Array, offset: Array) -> Change:
        """What is added to weights ``(k, d)`` and biases ``(k,)``, from ``(r, k)`` and ``(k,)``."""
        weight = coefficients.T @ self.back
        return weight, offset - weight @ self.mean


def logistic(rule: Linear, temperature: float, rows: Rows, penalty: float) -> Change:
    """The change with the least log loss of the labelled rows plus half `penalty` times its square; L-BFGS."""
    basis = Basis.of(rows.z)
    old = _logits(rule, temperature, rows.z)
    k, r = old.shape[1], basis.u.shape[1]
    present = np.flatnonzero(rule.bias > NEVER)
    target = np.zeros_like(old)
    target[np.arange(len(old)), rows.y] = 1

    def objective(flat: Array) -> tuple[float, Array]:
        full = np.zeros((r + 1, k))
        full[:, present] = flat.reshape(r + 1, -1)
        logits = old + basis.u @ full[:r] + full[r]
        loss = -(target * log_softmax(logits, axis=1)).sum() / len(old) + 0.5 * penalty * np.square(full).sum()
        slope = (softmax(logits, axis=1) - target) / len(old)
        gradient = np.concatenate([basis.u.T @ slope, slope.sum(axis=0)[None]]) + penalty * full
        return float(loss), gradient[:, present].ravel()

    start = np.zeros((r + 1) * len(present))
    result = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": PASSES}).x
    full = np.zeros((r + 1, k))
    full[:, present] = result.reshape(r + 1, -1)
    weight, bias = basis.change(full[:r], full[r])
    return weight * temperature, bias * temperature


def ridge(rule: Linear, temperature: float, rows: Rows, penalty: float) -> Change:
    """What the old head's probabilities leave of the labels, regressed on the features and added to its logits, in
    units of the slope of a probability, 1/4; closed form.
    """
    basis = Basis.of(rows.z)
    left = -softmax(_logits(rule, temperature, rows.z), axis=1)
    left[np.arange(len(left)), rows.y] += 1
    left[:, rule.bias <= NEVER] = 0
    u = np.concatenate([basis.u, np.ones((len(left), 1))], axis=1)
    curved = u.T @ u / (4 * len(left)) + penalty * np.eye(u.shape[1])
    full = np.linalg.solve(curved, u.T @ left / len(left))
    weight, bias = basis.change(full[:-1], full[-1])
    return weight * temperature, bias * temperature


def anchored_logistic(rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The old head changed by `logistic`."""
    return anchored(logistic, rule, temperature, rows, seed)


def anchored_ridge(rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The old head changed by `ridge`."""
    return anchored(ridge, rule, temperature, rows, seed)


def anchored(fit: Fit, rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The head that `fit` makes with the penalty that has the least log loss on rows that were not fitted to."""
    losses = np.zeros(len(PENALTIES))
    for train, test in _folds(len(rows.y), seed):
        for index, penalty in enumerate(PENALTIES):
            head = rule if np.isinf(penalty) else _added(rule, fit(rule, temperature, rows.take(train), penalty))
            losses[index] += _loss(head, temperature, rows.take(test))
    best = PENALTIES[int(np.argmin(losses))]
    if np.isinf(best):
        return Fitted(rule, "no change of the head does better on labels that it was not fitted to")
    head = _added(rule, fit(rule, temperature, rows, best))
    return Fitted(head, f"penalty {best:g} of the change, chosen on labels that it was not fitted to")


def interpolated(rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The head between the old one and that of the least penalty with the least log loss on held-out rows."""
    losses = np.zeros(len(SHARES))
    for train, test in _folds(len(rows.y), seed):
        change = logistic(rule, temperature, rows.take(train), PENALTIES[-1])
        for index, share in enumerate(SHARES):
            losses[index] += _loss(_added(rule, change, share), temperature, rows.take(test))
    share = SHARES[int(np.argmin(losses))]
    head = _added(rule, logistic(rule, temperature, rows, PENALTIES[-1]), share) if share else rule
    return Fitted(head, f"{share:.0%} of the way from the old head to that of the labelled rows")


def _folds(n: int, seed: int) -> Sequence[tuple[Array, Array]]:
    """Rows to fit to and rows to choose by, each row among the latter once; with one row, nothing to choose by."""
    order = stream(seed, "label folds").permutation(n)
    parts = [part for part in np.array_split(order, min(FOLDS, n)) if len(part)] if n > 1 else []
    return [(np.setdiff1d(order, part), part) for part in parts]


def _added(rule: Linear, change: Change, share: float = 1.0) -> Linear:
    weight, bias = (one + share * more for one, more in zip((rule.weight, rule.bias), change, strict=True))
    bias[rule.bias <= NEVER] = NEVER
    return Linear(weight.astype(np.float32), bias.astype(np.float32))


def _logits(rule: Linear, temperature: float, z: Array) -> Array:
    return np.maximum(rule.scores(z).astype(np.float64) / temperature, -1e4)


def _loss(rule: Linear, temperature: float, rows: Rows) -> float:
    """Sum of the log losses; that of a row is at most 36 nats, as of the least probability."""
    found = log_softmax(_logits(rule, temperature, rows.z), axis=1)[np.arange(len(rows.y)), rows.y]
    return float(-np.maximum(found, -36).sum())

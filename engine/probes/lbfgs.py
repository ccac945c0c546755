"""Minimising a smooth convex function of which only values and gradients can be had, each at the price of a pass.

The function is asked for and told about from outside, so that several minimisations share one pass over the data, and
the state is nothing but arrays, so that it can be kept and taken up again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray
# Steps whose change of gradient is remembered; the preconditioner leaves little to learn.
MEMORY = 10
SUFFICIENT = 1e-4
# Values this near to each other, relatively, are equal up to rounding; slopes decide then.
ROUNDING = 1e-13
# A step is not cut more often than this: what is left is rounding.
MOST_CUTS = 6


@dataclass
class Lbfgs:
    """One minimisation by L-BFGS from `point`, with ``metric(gradient)`` as the inverse Hessian it starts from.

    Ask for `trial`, evaluate there, `tell`; until `stuck` or satisfied by a measure of your own. `point`, `value` and
    `gradient` are the best so far. Memory: ``2 * MEMORY + 5`` arrays of the shape of `point`.

    References
    ----------
    Nocedal and Wright (2006), "Numerical optimization", algorithm 7.4, with backtracking: the first step tried is the
    full one, which a preconditioned method takes nearly always. Hager and Zhang (2005), "A new conjugate gradient
    method with guaranteed descent and an efficient line search", for steps below the rounding of the values.

    Attributes
    ----------
    metric
        A linear, symmetric, positive map of arrays of the shape of `point`.
    point, trial, gradient
        Arrays of one shape, float64.
    stuck
        Whether no step along the direction lowers the value any more: the rounding of the values is reached.
    """

    metric: Callable[[Array], Array]
    point: Array
    trial: Array = None
    value: float = np.inf
    gradient: Array = None
    direction: Array = None
    slope: float = 0.0
    length: float = 1.0
    cuts: int = 0
    evaluations: int = 0
    stuck: bool = False
    steps: list[Array] = field(default_factory=list)
    changes: list[Array] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.trial is None:
            self.trial = self.point

    def tell(self, value: float, gradient: Array) -> None:
        """The function's `value` and `gradient` at `trial`."""
        self.evaluations += 1
        if self.gradient is not None and not self._is_progress(value, gradient):
            self._cut(value)
            return
        if self.gradient is not None:
            self._remember(self.trial - self.point, gradient - self.gradient)
        self.point, self.value, self.gradient = self.trial, value, gradient
        self._aim()

    def _is_progress(self, value: float, gradient: Array) -> bool:
        """Armijo's condition on the value; where that is lost in rounding, its approximation by slopes."""
        if value <= self.value + SUFFICIENT * self.length * self.slope:
            return True
        flat = value <= self.value + ROUNDING * abs(self.value)
        return bool(flat and np.vdot(gradient, self.direction) <= (2 * SUFFICIENT - 1) * self.slope)

    @property
    def decrement(self) -> float:
        """By how much a full step would lower the value, were the function the parabola it is taken for."""
        return -self.slope / 2

    def restart(self) -> None:
        """Ask for the present point again, to be told its value anew (with more digits); what was learnt is kept."""
        self.trial, self.gradient, self.stuck = self.point, None, False

    def _remember(self, step: Array, change: Array) -> None:
        if np.vdot(step, change) <= 1e-12 * np.vdot(change, change):
            return
        self.steps, self.changes = [*self.steps, step][-MEMORY:], [*self.changes, change][-MEMORY:]

    def _aim(self) -> None:
        self.direction = -self._solved(self.gradient)
        self.slope = float(np.vdot(self.gradient, self.direction))
        self.length, self.cuts = 1.0, 0
        self.stuck = bool(self.slope >= 0)
        self.trial = self.point + self.direction

    def _solved(self, gradient: Array) -> Array:
        """The inverse Hessian, as far as it is known, times the gradient: the two-loop recursion."""
        result, shares = gradient.copy(), []
        for step, change in zip(reversed(self.steps), reversed(self.changes), strict=True):
            share = np.vdot(step, result) / np.vdot(step, change)
            result -= share * change
            shares.append(share)
        result = self.metric(result)
        if self.steps:
            step, change = self.steps[-1], self.changes[-1]
            result *= np.vdot(step, change) / np.vdot(change, self.metric(change))
        for step, change, share in zip(self.steps, self.changes, reversed(shares), strict=True):
            result += (share - np.vdot(change, result) / np.vdot(step, change)) * step
        return result

    def _cut(self, value: float) -> None:
        """A shorter step: to the minimum of the parabola through what is known, or a tenth where that is not finite."""
        self.cuts += 1
        if self.cuts > MOST_CUTS:
            self.stuck = True
            return
        rise = value - self.value - self.length * self.slope
        best = -self.slope * self.length**2 / (2 * rise) if np.isfinite(rise) and rise > 0 else 0.0
        self.length = float(np.clip(best, 0.1 * self.length, 0.5 * self.length))
        self.trial = self.point + self.length * self.direction

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """All that is needed to go on: arrays, and plain values."""
        arrays = {f"step_{i}": step for i, step in enumerate(self.steps)}
        arrays |= {f"change_{i}": change for i, change in enumerate(self.changes)}
        arrays |= {name: value for name in ARRAYS if (value := getattr(self, name)) is not None}
        return arrays, {name: getattr(self, name) for name in VALUES}

    @classmethod
    def restore(
        cls, metric: Callable[[Array], Array], arrays: Mapping[str, Array], values: Mapping[str, Any]
    ) -> "Lbfgs":
        """The minimisation that `state` was taken from."""
        count = sum(name.startswith("step_") for name in arrays)
        kept = {name: arrays[name] for name in ARRAYS if name in arrays}
        steps, changes = ([arrays[f"{name}_{i}"] for i in range(count)] for name in ("step", "change"))
        return cls(metric, steps=steps, changes=changes, **kept, **values)


ARRAYS = ("point", "trial", "gradient", "direction")
VALUES = ("value", "slope", "length", "cuts", "evaluations", "stuck")

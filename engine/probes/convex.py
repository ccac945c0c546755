"""Heads brought to the minimum of their regularised losses together, each evaluation of all of them by one pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gapscope.core.checkpoint import Checkpoint
from gapscope.core.errors import DivergedError
from gapscope.probes.lbfgs import Lbfgs
from gapscope.probes.metric import Metric
from gapscope.probes.objective import Bound, Objective

Array = np.ndarray
# Evaluations are in float32 until the steps promise less than this, relative to the loss, then in float64.
ROUNDING, SURE_ROUNDING = 1e-6, 1e-8


@dataclass(frozen=True)
class Aim:
    """When a minimisation is over.

    Attributes
    ----------
    decrement
        The next step lowers the loss by less than this, relative to the loss.
    evaluations
        At most so many.
    """

    decrement: float
    evaluations: int

    def reached(self, minimiser: Lbfgs) -> bool:
        """Whether one minimisation may stop."""
        return minimiser.decrement <= self.decrement * minimiser.value or minimiser.evaluations >= self.evaluations


@dataclass
class Descent:
    """One head on its way: its penalty, its minimisation, its last bound, whether it is done and in which precision."""

    l2: float
    minimiser: Lbfgs
    bound: Bound | None = None
    precise: bool = False
    done: bool = False


def minimise(
    objective: Objective,
    metric: Metric,
    starts: Sequence[Array],
    l2s: Sequence[float],
    aim: Aim,
    checkpoint: Checkpoint,
    stage: str,
) -> list[Descent]:
    """Each start ``(d + 1, p)`` brought to the minimum for its penalty, as nearly as `aim` asks for.

    Every evaluation is one pass over the rows for all that are not done; 4 d p flops a row and head.

    Raises
    ------
    DivergedError
        A loss is not finite at the start.
    """
    descents = _begun(metric, starts, l2s, checkpoint.load(stage))
    while running := [one for one in descents if not one.done]:
        precise = running[0].precise
        asked = [one for one in running if one.precise == precise]
        passes = max(one.minimiser.evaluations for one in asked)
        result = objective.evaluate(
            [one.minimiser.trial for one in asked],
            [one.l2 for one in asked],
            np.float64 if precise else np.float32,
            f"{stage}, evaluation {passes + 1}",
        )
        for one, (value, gradient) in zip(asked, result, strict=True):
            _tell(one, value, gradient, objective, metric, aim, stage)
        if checkpoint.due():
            _keep(descents, checkpoint, stage)
    _keep(descents, checkpoint, stage)
    return descents


def _tell(
    one: Descent, value: float, gradient: Array, objective: Objective, metric: Metric, aim: Aim, stage: str
) -> None:
    minimiser = one.minimiser
    minimiser.metric = partial(inverse_hessian, metric, one.l2, doubt_at(value, metric.classes))
    minimiser.tell(value, gradient)
    if minimiser.gradient is None or not np.isfinite(minimiser.value):
        raise DivergedError(f"the loss is {value} at the start of {stage} (l2 {one.l2:.3g}); are there huge features?")
    one.bound = objective.bound(minimiser.point, minimiser.value, minimiser.gradient, one.l2)
    one.done = bool(aim.reached(minimiser) or (minimiser.stuck and one.precise))
    if not one.done and not one.precise and _is_lost_in_rounding(minimiser):
        one.precise = True
        minimiser.restart()


def _is_lost_in_rounding(minimiser: Lbfgs) -> bool:
    promise = minimiser.decrement / abs(minimiser.value)
    return minimiser.stuck or promise < SURE_ROUNDING or (minimiser.cuts > 0 and promise < ROUNDING)


def _begun(metric: Metric, starts: Sequence[Array], l2s: Sequence[float], saved: Any) -> list[Descent]:
    maps = [partial(inverse_hessian, metric, l2, 1.0) for l2 in l2s]
    if saved is None:
        starts = [np.asarray(start, np.float64) for start in starts]
        return [Descent(l2, Lbfgs(one, start)) for l2, one, start in zip(l2s, maps, starts, strict=True)]
    return [_restored(index, one, saved) for index, one in enumerate(maps)]


def doubt_at(value: float, classes: int) -> float:
    """About which part of ``S/k`` the loss curves by where it has this `value`.

    It is the mean over rows of ``1 - sum p²``, one for equal probabilities; the loss, by that of equal probabilities,
    goes down with it and is known without a pass. Beside it the penalty weighs as it should where classes are far
    apart, which saves nine passes of ten there.
    """
    return float(np.clip(value / np.log(classes), np.finfo(np.float32).eps, 1)) if np.isfinite(value) else 1.0


def inverse_hessian(metric: Metric, l2: float, doubt: float, gradient: Array) -> Array:
    """The metric of the features times the weights' part of a gradient ``(d + 1, p)``; k times the intercepts'."""
    weights = metric.precondition(l2, gradient[:-1], doubt)
    return np.concatenate([weights, metric.classes / doubt * gradient[-1:]])


def _keep(descents: Sequence[Descent], checkpoint: Checkpoint, stage: str) -> None:
    arrays, about = {}, []
    for index, one in enumerate(descents):
        state, values = one.minimiser.state()
        arrays |= {f"{index}/{name}": array for name, array in state.items()}
        bound = None if one.bound is None else tuple(one.bound)
        about.append({"l2": one.l2, "bound": bound, "precise": one.precise, "done": one.done, "values": values})
    checkpoint.save(stage, arrays, {"descents": about})


def _restored(index: int, metric: Any, saved: Any) -> Descent:
    about: Mapping[str, Any] = saved.about["descents"][index]
    prefix = f"{index}/"
    arrays = {name.removeprefix(prefix): array for name, array in saved.arrays.items() if name.startswith(prefix)}
    minimiser = Lbfgs.restore(metric, arrays, about["values"])
    return Descent(about["l2"], minimiser, Bound(*about["bound"]), about["precise"], about["done"])

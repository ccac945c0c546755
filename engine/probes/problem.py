"""The convex problem behind a linear probe: its rows, its penalty, its metric, and what a point of it means."""

from dataclasses import dataclass, replace

import numpy as np

from gapscope.core.checkpoint import Checkpoint
from gapscope.core.errors import InputError
from gapscope.core.progress import Progress
from gapscope.probes.closed_form import closed_form
from gapscope.probes.convex import Aim, Descent
from gapscope.probes.imbalance import class_weights
from gapscope.probes.metric import Metric, scales
from gapscope.probes.objective import Objective
from gapscope.probes.options import ProbeOptions
from gapscope.probes.training import Holdout, Labels, labels_of, moments_of
from gapscope.store import View, in_memory
from gapscope.stream import Workers
from gapscope.summaries import LabelledMoments

Array = np.ndarray
# How near to the optimum a model is brought, by the flops that an evaluation costs at most: a relative decrement of
# 1e-18 makes scores equal to seven digits whatever the rounding on the way, one of 1e-15 predictions.
OPTIMA = ((1e9, Aim(1e-18, 4000)), (2e11, Aim(1e-15, 3000)), (np.inf, Aim(1e-7, 300)))
# What large ones may cost in all, beside the fewest evaluations that they get: five minutes of two cores.
OPTIMUM_FLOPS, FEWEST_EVALUATIONS = 4e13, 60


@dataclass(frozen=True)
class Problem:
    """The regularised loss over the rows of a view, with what is needed to minimise it.

    Attributes
    ----------
    moments, labels
        Of the rows.
    metric
        Preconditioner, and units of the penalty.
    objective
        Value and gradient by a pass over the rows.
    """

    moments: LabelledMoments
    labels: Labels
    metric: Metric
    objective: Objective
    options: ProbeOptions

    @classmethod
    def of(
        cls,
        view: View,
        stage: str,
        options: ProbeOptions,
        workers: Workers,
        progress: Progress,
        checkpoint: Checkpoint,
    ) -> "Problem":
        """The problem of the rows of `view`; one pass, unless `checkpoint` has its moments."""
        moments = moments_of(view, workers, progress, checkpoint, stage)
        return cls.with_moments(view, moments, options, workers, progress)

    @classmethod
    def with_moments(
        cls, view: View, moments: LabelledMoments, options: ProbeOptions, workers: Workers, progress: Progress
    ) -> "Problem":
        """The problem of the rows of `view`, whose `moments` are known."""
        labels = labels_of(moments, view)
        scale = scales(moments.total)
        if options.penalised == "raw":
            scale = np.where(np.isfinite(scale), 1.0, scale)
        metric = Metric.of(moments.total, len(labels.present), scale)
        counts, means = moments.classes.count[labels.present], moments.classes.mean[labels.present]
        weights = class_weights(options.class_weight, counts)
        rows = weights * counts
        origin = moments.total.mean
        objective = Objective(
            view,
            labels.positions,
            origin,
            metric.penalty,
            weights,
            ((means - origin) * rows[:, None]).T,
            rows,
            workers,
            progress,
            options.device,
        )
        return cls(moments, labels, metric, objective, options)

    def joined(self, everything: View, checkpoint: Checkpoint) -> "Problem":
        """The problem of `everything`, whose first rows are this one's: only the others are passed over."""
        view, workers, progress = self.objective.view, self.objective.workers, self.objective.progress
        rest = everything.store.view(view.stop, everything.stop)
        more = moments_of(rest, workers, progress, checkpoint, "moments of the rest")
        return self.with_moments(everything, self.moments.merge(more), self.options, workers, progress)

    def l2(self, factor: float) -> float:
        """The penalty that was asked for, or `factor` times ``d / (n k)`` for features of variance one."""
        n, options = self.moments.total.n, self.options
        if options.l2 is not None:
            return options.l2
        if options.c is not None:
            return sides(self.labels) / (options.c * n)
        used = np.isfinite(self.metric.scale)
        variance = self.moments.total.variance(ddof=0)[used] / self.metric.scale[used] ** 2
        unit = float(variance.mean()) if used.any() else 1.0
        return factor * unit * len(self.metric.scale) / (n * self.metric.classes)

    @property
    def aim(self) -> Aim:
        """How near to the optimum the model is brought, by what an evaluation costs."""
        flops = 4 * self.moments.total.n * len(self.metric.scale) * self.metric.classes
        aim = next(aim for most, aim in OPTIMA if flops <= most)
        affordable = max(int(OPTIMUM_FLOPS / max(flops, 1)), FEWEST_EVALUATIONS)
        return replace(aim, evaluations=min(aim.evaluations, affordable))

    def start(self, held: Holdout) -> Array:
        """The shrunk discriminants, tempered, as a point ``(d + 1, p)``."""
        weight, bias, _ = closed_form(self.moments, held)
        return self.point(weight, bias)

    def affordable(self, point: Array, l2: float) -> Array:
        """The point, or nought where its penalty alone is more than the loss at nought.

        Discriminants weigh features of tiny variance by as much as these need, whatever the penalty makes of it.
        """
        penalty = 0.5 * l2 * float((self.metric.penalty[:, None] * np.square(point[:-1])).sum())
        return point if penalty <= np.log(self.metric.classes) else np.zeros_like(point)

    def point(self, weight: Array, bias: Array) -> Array:
        """``weight (d, p)`` and ``bias (p,)`` for features as they are stored, as a point.

        What is common to all classes changes no probability, so it is taken out; gradients leave it out by themselves.
        """
        point = np.concatenate([weight, (bias + self.objective.origin @ weight)[None]])
        return point - point.mean(axis=1, keepdims=True)

    def raw(self, point: Array) -> tuple[Array, Array]:
        """A point as weights ``(d, p)`` and biases ``(p,)`` for features as they are stored."""
        return point[:-1], point[-1] - self.objective.origin @ point[:-1]

    def carried(self, other: "Problem", point: Array, held: Holdout) -> Array:
        """A point of another problem as one of this; classes that it does not know begin as discriminants."""
        weight, bias = other.raw(point)
        if len(self.labels.present) > len(other.labels.present):
            fuller = self.raw(self.start(Holdout(held.x[:0], held.y[:0])))
            known = np.searchsorted(self.labels.present, other.labels.present)
            fuller[0][:, known], fuller[1][known] = weight, bias
            weight, bias = fuller
        return self.point(weight, bias)


def certificate(descent: Descent, aim: Aim) -> dict:
    """Final loss, gradient norm and bound on the distance to the optimum, as plain values, and whether the limit of
    evaluations ended it.
    """
    evaluations = descent.minimiser.evaluations
    return descent.bound.as_json() | {"evaluations": evaluations, "at_limit": evaluations >= aim.evaluations}


def check_penalty(options: ProbeOptions) -> None:
    """Refuse penalties without a meaning.

    Raises
    ------
    InputError
        See above.
    """
    if options.l2 is not None and options.c is not None:
        raise InputError(f"l2 {options.l2:g} and C {options.c:g} are both given, but l2 is 1 / (C n); give one of them")
    if options.l2 is not None and not 0 <= options.l2 < np.inf:
        raise InputError(f"l2 is {options.l2:g}; give a number from 0 up, or leave it to the held-out rows")
    if options.c is not None and not 0 < options.c < np.inf:
        raise InputError(f"C is {options.c:g}; give a number above 0, or leave it to the held-out rows")


def cached(view: View, options: ProbeOptions, workers: Workers) -> View:
    """The view, in memory where it takes at most half of what is allowed and the work is done in this process."""
    fits = 4 * view.rows * view.store.dim <= options.memory_bytes // 2
    return in_memory(view) if fits and workers.shares_memory else view


def sides(labels: Labels) -> int:
    """Two for two classes, whose two vectors of weights share what scikit-learn's one has; else one."""
    return 2 if len(labels.present) == 2 else 1

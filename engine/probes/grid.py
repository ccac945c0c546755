"""Which settings are trained side by side from one read: views of the features, penalties, learning rates."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gapscope.probes.heads import Head
from gapscope.probes.metric import Metric, scales
from gapscope.probes.options import ProbeOptions
from gapscope.summaries import LabelledMoments

Array = np.ndarray
# In each list the first serves when there are no held-out rows to choose by. Penalties are multiples of d / (n k).
PENALTIES = (3.0, 1e-3, 0.3, 10.0, 50.0)
GRID_PENALTIES = (3.0, 0.03, 0.3, 30.0)
GRID_RATES = (1.0, 0.3, 3.0)
VIEWS = ("whitened", "standardised", "raw", "normalised")
LEARNING_RATE = 2.0
# With few features and classes the rule would take whole Newton steps, whose noise a hundred steps do not average out.
FASTEST = 0.3


@dataclass(frozen=True)
class Seen:
    """The moments of the training rows as some heads see them, and the closed form to start from."""

    moments: LabelledMoments
    start: tuple[Array, Array]


@dataclass(frozen=True)
class Grid:
    """The settings to train side by side.

    Attributes
    ----------
    views
        Names of `VIEWS`. `whitened` descends in the metric of the features (`gapscope.probes.metric`), `standardised`
        and `raw` along the gradient for features of variance one and for features as they are, at the largest step
        that is stable for them; `normalised` is `whitened` for rows scaled to length one.
    factors
        Penalties as multiples of ``d / (n k)``.
    speeds
        Learning rates as multiples of the rule's.
    whole
        Whether all heads go on to the end.
    halving
        Whether the poor are dropped again and again.
    """

    views: tuple[str, ...]
    factors: tuple[float, ...]
    speeds: tuple[float, ...] = (1.0,)
    whole: bool = False
    halving: bool = False

    @classmethod
    def of(cls, options: ProbeOptions, classes: int) -> "Grid":
        """The grid that the options ask for: one head of each penalty unless they ask for more."""
        named = options.l2 is not None or options.c is not None
        view = "whitened" if options.view in ("", "normalised") else options.view
        if not options.grid:
            return cls((view,), PENALTIES[:1] if named else PENALTIES)
        views = VIEWS if options.view == "" else (view,)
        speeds = GRID_RATES if options.halving and options.learning_rate is None else GRID_RATES[:1]
        penalties = GRID_PENALTIES[:1] if named else GRID_PENALTIES
        return cls(views, penalties, speeds, whole=not options.halving, halving=options.halving)

    def __len__(self) -> int:
        return len(self.views) * len(self.factors) * len(self.speeds)

    @property
    def needs_unit_rows(self) -> bool:
        """Whether a head sees rows scaled to length one."""
        return "normalised" in self.views

    def heads(
        self, seen: Mapping[bool, Seen], row_weights: Array | None, batch_rows: int, options: ProbeOptions
    ) -> list[Head]:
        """The settings as heads, views outermost."""
        result = []
        for view in self.views:
            unit = view == "normalised"
            moments = seen[unit].moments
            metric = _metric("raw" if options.penalised == "raw" else view, moments)
            origin, penalty = moments.total.mean.astype(np.float32), metric.penalty.astype(np.float32)
            for factor in self.factors:
                l2 = l2_of(factor, moments, metric, options)
                preconditioner, dimension = _preconditioner(view, metric, l2)
                for speed in self.speeds:
                    rate = speed * rate_of(dimension, metric.classes, batch_rows, options)
                    name = {"view": view, "l2": l2, "learning_rate": rate}
                    result.append(Head(name, l2, rate, preconditioner, penalty, origin, row_weights, unit))
        return result


def _metric(view: str, moments: LabelledMoments) -> Metric:
    scale = scales(moments.total)
    if view == "raw":
        scale = np.where(np.isfinite(scale), 1.0, scale)
    return Metric.of(moments.total, len(moments.present), scale)


def _preconditioner(view: str, metric: Metric, l2: float) -> tuple[Array, float]:
    """The preconditioner of a view and the effective number of features in it."""
    if view in ("whitened", "normalised"):
        return metric.preconditioner(l2).astype(np.float32), metric.dimension(l2)
    steepest = metric.eigenvalues.max() / metric.classes + l2
    diagonal = np.where(np.isfinite(metric.scale), metric.scale, np.inf) ** -2.0 / steepest
    return diagonal.astype(np.float32), float(metric.eigenvalues.sum() / metric.classes / steepest)


def l2_of(factor: float, moments: LabelledMoments, metric: Metric, options: ProbeOptions) -> float:
    """The penalty that was asked for, or `factor` times ``d / (n k)`` for features of variance one."""
    n, classes = moments.total.n, metric.classes
    if options.l2 is not None:
        return options.l2
    if options.c is not None:
        return (2 if classes == 2 else 1) / (options.c * n)
    used = np.isfinite(metric.scale)
    unit = float(metric.eigenvalues.sum() / used.sum()) if used.any() else 1.0
    return factor * unit * len(metric.scale) / (n * classes)


def rate_of(dimension: float, classes: int, batch_rows: int, options: ProbeOptions) -> float:
    """The learning rate at full speed, by the rule of `gapscope.probes.softmax`; bounded unless it was asked for."""
    one_row = 1 / (1 + classes * dimension / batch_rows)
    return min(FASTEST, LEARNING_RATE * one_row) if options.learning_rate is None else options.learning_rate * one_row

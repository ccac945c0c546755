"""The regularised softmax loss of all rows: value and gradient by one fold, and how far a point is from the minimum.

    f(W, b) = 1/N sum_i w_i loss(W (x_i - o) + b, y_i) + l2/2 sum_j D_j |W_j|²

with row weights ``w_i`` by class that sum to N, the mean of the rows as origin ``o``, the penalty's units ``D`` (1 for
features as they are, variances for standardised ones) and an intercept ``b`` that is not penalised. A point is one
array ``(d + 1, p)``: the weights, and in its last row the intercepts at the origin.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.progress import Progress
from gapscope.core.registry import Registry
from gapscope.probes.heads import Parameters, Reads, slope
from gapscope.store import View
from gapscope.stream import Workers, fold

Array = np.ndarray


class Gradient(NamedTuple):
    """Loss and gradient summed over some rows, for several heads; those of disjoint row sets add up.

    Attributes
    ----------
    loss : (g,) float64
    weight : (d, g p) float64
    bias : (g p,) float64
    """

    loss: Array
    weight: Array
    bias: Array

    def merge(self, other: "Gradient") -> "Gradient":
        """The sums over both row sets."""
        return Gradient(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True)
class GradientOf:
    """Chunk to `Gradient` at `parameters`, computed in the precision of their weights; ``4 d g p`` flops a row."""

    parameters: Parameters
    positions: Callable[[Array], Array]

    def __call__(self, chunk: Chunk) -> Gradient:
        result = slope(self.parameters, chunk, Reads(self.positions))
        return Gradient(result.loss, *(np.asarray(part, np.float64) for part in result[2:]))


GRADIENTS = Registry(
    "array library",
    {"numpy": "gapscope.probes.objective:GradientOf", "torch": "gapscope.probes.heads_torch:GradientOf"},
)


class Bound(NamedTuple):
    """How far above the minimum a point can be at most.

    Attributes
    ----------
    value
        Of the regularised loss.
    gradient_norm
        Euclidean, in the coordinates in which the penalty is a sphere.
    gap
        Upper bound of value minus minimum; infinite without a penalty.
    """

    value: float
    gradient_norm: float
    gap: float

    def as_json(self) -> dict[str, float | None]:
        """The certificate as plain values; a bound that is not there is None."""
        finite = bool(np.isfinite(self.gap))
        relative = self.gap / self.value if self.value > 0 else 0.0
        return {
            "loss": self.value,
            "gradient_norm": self.gradient_norm,
            "bound": self.gap if finite else None,
            "relative_bound": relative if finite else None,
        }


@dataclass(frozen=True)
class Objective:
    """The loss over the rows of a view, with their classes as positions.

    Attributes
    ----------
    origin : (d,) float64
    penalty : (d,) float64
        The units D; zero for a feature whose weights stay zero.
    row_weights : (p,) float64
    sums : (d, p) float64
        For each class, ``w_c`` times the sum of its rows less the origin.
    rows : (p,) float64
        For each class, ``w_c`` times the number of its rows.
    """

    view: View
    positions: Callable[[Array], Array]
    origin: Array
    penalty: Array
    row_weights: Array
    sums: Array
    rows: Array
    workers: Workers
    progress: Progress
    device: str = "cpu"

    def evaluate(self, points: Sequence[Array], l2s: Sequence[float], dtype: type, description: str) -> list[tuple]:
        """Value and gradient ``(d + 1, p)`` at each of several `points`, each with its own penalty, by one pass
        computed in `dtype`.
        """
        weight = np.concatenate([point[:-1] for point in points], axis=1)
        bias = np.concatenate([point[-1] for point in points]) - self.origin @ weight
        weights = None if (self.row_weights == 1).all() else np.tile(self.row_weights, (len(points), 1)).astype(dtype)
        parameters = Parameters(weight.astype(dtype), bias.astype(dtype), len(points), weights)
        total = fold(
            self.view,
            self._gradient_of(parameters),
            self.workers,
            row_flops=4.0 * weight.size,
            progress=self.progress,
            description=description,
        )
        count = self.rows.sum()
        centred = (total.weight - np.outer(self.origin, total.bias)) / count
        slopes = np.split(np.concatenate([centred, total.bias[None] / count]), len(points), axis=1)
        return [
            self._penalised(loss / count, slope, point, l2)
            for loss, slope, point, l2 in zip(total.loss, slopes, points, l2s, strict=True)
        ]

    def _gradient_of(self, parameters: Parameters) -> Callable[[Chunk], Gradient]:
        if self.device == "cpu":
            return GradientOf(parameters, self.positions)
        return GRADIENTS["torch"](parameters, self.positions, self.device)

    def _penalised(self, loss: float, slope: Array, point: Array, l2: float) -> tuple[float, Array]:
        pull = l2 * self.penalty[:, None] * point[:-1]
        value = float(loss) + 0.5 * float(np.vdot(pull, point[:-1]))
        slope = slope - slope.mean(axis=1, keepdims=True)  # common to all classes: nothing but rounding
        slope[:-1] += pull
        slope[:-1][self.penalty == 0] = 0
        return value, slope

    def bound(self, point: Array, value: float, gradient: Array, l2: float) -> Bound:
        """How far above its minimum the objective is at `point`, by Fenchel duality; nothing is read.

        The probabilities at the point are dual variables once their sums are those of the labels, which the free
        intercept asks for; a mixture with a constant distribution, of a share that vanishes with the gradient of the
        intercept, sees to that. The entropy of a mixture is at least the mixture of the entropies, and the mean entropy
        follows from value and gradient. Without the correction the bound is ``|grad|² / (2 l2)`` in the coordinates of
        the penalty.
        """
        kept = self.penalty > 0
        units = np.sqrt(self.penalty[kept])[:, None]
        norm = float(np.sqrt((np.square(gradient[:-1][kept] / units)).sum() + np.square(gradient[-1]).sum()))
        if l2 <= 0:
            return Bound(value, norm, np.inf)
        weight, centre, bias_gradient = point[:-1], point[-1], gradient[-1]
        pull = l2 * self.penalty[:, None] * weight
        slope = gradient[:-1] - pull
        loss = value - 0.5 * float(np.vdot(pull, weight))
        entropy = loss - float(np.vdot(weight, slope)) - float(centre @ bias_gradient)
        count = self.rows.sum()
        given = bias_gradient + self.rows / count  # shares of the classes by probability
        share = float(np.max(1 - (self.rows / count) / np.maximum(given, 1e-300), initial=0.0))
        constant = np.maximum(self.rows / count - (1 - share) * given, 0) / share if share > 0 else self.rows / count
        labels, mean = self.sums / count, self.sums.sum(axis=1) / count
        mixed = (1 - share) * slope - share * labels + share * np.outer(mean, constant)
        dual = (1 - share) * entropy + share * _entropy(constant)
        dual -= float(np.square(mixed[kept] / units).sum()) / (2 * l2)
        return Bound(value, norm, max(float(value - dual), 0.0))


def _entropy(p: Array) -> float:
    return -float((p * np.log(np.where(p > 0, p, 1))).sum())

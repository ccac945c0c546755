"""Scores with one temperature and a bias for each class, so that they are calibrated on labelled rows.

References
----------
Alexandari, Kundaje and Shrikumar (2020), "Maximum likelihood with bias-corrected calibration is hard-to-beat at label
shift adaptation".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.store import View
from gapscope.stream import Workers, fold

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class BiasCorrected:
    """Probabilities from scores: ``softmax(sharpness * scores + bias)``; picklable.

    Attributes
    ----------
    sharpness
        One over the temperature.
    bias : (k,)
        Sums to 0.
    """

    sharpness: float
    bias: Array
    scores: Callable[[Array], Array]

    def __call__(self, x: Array) -> Array:
        return softmax(self.sharpness * np.asarray(self.scores(x), np.float64) + self.bias, axis=1)


class _Fit(NamedTuple):
    loss: float
    gradient: Array
    rows: int

    def merge(self, other: "_Fit") -> "_Fit":
        return _Fit(self.loss + other.loss, self.gradient + other.gradient, self.rows + other.rows)


@dataclass(frozen=True, eq=False)
class _FitOf:
    """Picklable, for workers: log-loss of a chunk and its gradient by sharpness and biases."""

    scores: Callable[[Array], Array]
    point: Array

    def __call__(self, chunk: Chunk) -> _Fit:
        known = np.flatnonzero(chunk.y >= 0)
        label, scores = chunk.y[known], np.asarray(self.scores(chunk.x[known]), np.float64)
        log = log_softmax(self.point[0] * scores + self.point[1:], axis=1)
        rows = np.arange(len(label))
        pull = np.exp(log)
        pull[rows, label] -= 1
        return _Fit(-float(log[rows, label].sum()), np.append((pull * scores).sum(), pull.sum(axis=0)), len(label))


def bias_corrected(
    source: View, scores: Callable[[Array], Array], workers: Workers, progress: Progress = SILENT
) -> BiasCorrected:
    """Temperature and a bias for each class, of least log-loss on the labelled rows of `source`.

    The rows must not be those that trained the scores. About 10 to 30 passes. A penalty of one row in all keeps
    classes without rows at finite biases.
    """
    classes = len(source.store.class_names)

    def value(point: Array) -> tuple[float, Array]:
        result = fold(source, _FitOf(scores, point), workers, progress=progress, description="calibrate scores")
        pull = np.append(0.0, point[1:])
        rows = max(result.rows, 1)
        return (result.loss + 0.5 * float(pull @ pull)) / rows, (result.gradient + pull) / rows

    start = np.append(1.0, np.zeros(classes))
    point = minimize(value, start, jac=True, method="L-BFGS-B", bounds=[(1e-3, None), *[(None, None)] * classes]).x
    return BiasCorrected(float(point[0]), point[1:] - point[1:].mean(), scores)

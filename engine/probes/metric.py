"""The metric of the descent: the inverse of what the softmax loss curves by, so that all directions converge alike."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gapscope.probes.spectrum import spectrum_of
from gapscope.summaries import Moments

Array = np.ndarray
# A feature whose spread is within the rounding of its float32 values carries no information.
CONSTANT = 4 * np.finfo(np.float32).eps


@dataclass(frozen=True)
class Metric:
    """Preconditioners ``M(l2) = (S/k + l2 D)^-1`` for the gradient of a k-class softmax loss, from one
    eigendecomposition.

    ``S`` is the covariance of the features and ``D`` the squares of their scales, by default the diagonal of S, so that
    the penalty ``l2`` acts on standardised features and a change of units changes nothing. ``S/k`` stands for the
    curvature of the mean loss: the Hessian of the loss is an average of ``(diag(p) - pp') ⊗ xx'``, whose first factor
    averages at most 1/k on its diagonal. The penalty belongs into the metric because it is part of the curvature;
    without it, directions of small variance are amplified and their noise with them. Applying M to a gradient costs
    ``2 d² k`` flops a step; whitening the rows instead would cost as much for every k rows.

    Attributes
    ----------
    scale : (d,)
        What the penalty measures each feature by; infinite for a constant feature, whose weights therefore stay zero.
    eigenvalues, vectors : (d,), (d, r)
        Of the covariance of the scaled features; the correlation matrix for standard deviations. Where the rows span
        fewer dimensions than there are features, r is their number, and eigenvalues beyond it are nought.
    classes
        The number k.
    """

    scale: Array
    eigenvalues: Array
    vectors: Array
    classes: int

    @classmethod
    def of(cls, moments: Moments, classes: int, scale: Array | None = None) -> "Metric":
        """The metric that the `moments` of the training rows define, the penalty acting on features divided by
        ``scale : (d,)``, their standard deviations if not given; O(d³), or O(d n²) of fewer rows than features.
        """
        scale = scales(moments) if scale is None else scale
        found = spectrum_of(moments.covariance(ddof=0) / np.outer(scale, scale), moments.n)
        return cls(scale, found.values, found.axes, classes)

    @cached_property
    def penalty(self) -> Array:
        """``D : (d,)``: what the penalty weighs each feature's weights by; zero for a constant feature."""
        return np.where(np.isfinite(self.scale), self.scale, 0) ** 2

    @cached_property
    def _basis(self) -> Array:
        return self.vectors / self.scale[:, None]

    def _inverse(self, l2: float, doubt: float = 1.0) -> tuple[Array, Array]:
        """What the metric is along each axis more than across all of them, ``(r,)``, and what each feature has of the
        latter, ``(d,)``.
        """
        curvature, axes = doubt * self.eigenvalues / self.classes + l2, self.vectors.shape[1]
        inverse = np.divide(1, curvature, out=np.zeros_like(curvature), where=curvature > 0)
        across = 0.0 if axes == len(curvature) else float(inverse[-1])
        return inverse[:axes] - across, across / np.square(self.scale)

    def preconditioner(self, l2: float) -> Array:
        """``M(l2) : (d, d)``, symmetric."""
        along, across = self._inverse(l2)
        result = (self._basis * along) @ self._basis.T
        result[np.diag_indices_from(result)] += across
        return result

    def precondition(self, l2: float, gradient: Array, doubt: float = 1.0) -> Array:
        """``M(l2) @ gradient`` for ``gradient : (d, p)``, without a matrix for each penalty: ``4 d² p`` flops.

        Where heads are sure of most rows, the loss curves by a part of ``S/k`` only: `doubt`.
        """
        along, across = self._inverse(l2, doubt)
        return self._basis @ (along[:, None] * (self._basis.T @ gradient)) + across[:, None] * gradient

    def dimension(self, l2: float) -> float:
        """Effective number of features, ``tr(S M(l2)) / k``: d without a penalty, fewer with one."""
        variance = self.eigenvalues / self.classes
        return float((variance / np.maximum(variance + l2, np.finfo(float).tiny)).sum())


def scales(moments: Moments) -> Array:
    """Standard deviation ``(d,)`` of each feature, infinite for one that is constant up to float32 rounding."""
    deviation = np.sqrt(moments.variance(ddof=0))
    return np.where(deviation > CONSTANT * np.abs(moments.mean), deviation, np.inf)

"""Gaussian classes with independent features: the score of a class is its log-posterior, as naive Bayes has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import logsumexp

from gapscope.probes.rules.linear import NEVER

Array = np.ndarray


@dataclass(frozen=True)
class Gaussian:
    """Class ``c`` gets ``log p(c | x)`` for ``x ~ N(mean[c], diag(variance[c]))`` and the prior of the class.

    Everything is float64: of a thousand features, log-likelihoods have thousands of units, and only what differs
    between classes, often a few, decides.

    Attributes
    ----------
    mean, variance : (k, d) float64
        Variances are above zero.
    log_prior : (k,) float64
        `NEVER` for a class that had no training rows.
    """

    mean: Array
    variance: Array
    log_prior: Array
    kind: ClassVar[str] = "gaussian"

    @classmethod
    def over_all(cls, mean: Array, variance: Array, log_prior: Array, present: Array, classes: int) -> "Gaussian":
        """The rule for all `classes` from ``mean, variance : (p, d)`` and ``log_prior : (p,)`` of the `present` ones.

        A class that had no training rows is never predicted.
        """
        full = np.zeros((classes, mean.shape[1])), np.ones((classes, mean.shape[1])), np.full(classes, float(NEVER))
        for whole, some in zip(full, (mean, variance, log_prior), strict=True):
            whole[present] = some
        return cls(*full)

    def scores(self, x: Array) -> Array:
        """Scores ``(n, k)`` float32 of ``x : (n, d)``: two products of ``2 n d k`` flops in float64.

        ``(x - m)²/v`` is multiplied out around the middle of the classes, in units of their spread, where that
        cancels nothing.
        """
        known = self.log_prior > NEVER
        mean, variance, prior = self.mean[known], self.variance[known], self.log_prior[known]
        origin, unit = mean.mean(axis=0), np.sqrt(variance.mean(axis=0))
        z = (np.asarray(x, np.float64) - origin) / unit
        centre, precision = (mean - origin) / unit, unit**2 / variance
        constant = prior - 0.5 * (np.log(variance / unit**2) + centre**2 * precision).sum(axis=1)
        result = z @ (centre * precision).T + constant
        result -= 0.5 * (np.square(z, out=z) @ precision.T)
        result -= logsumexp(result, axis=1, keepdims=True)
        scores = np.full((len(result), len(known)), NEVER)
        scores[:, known] = np.maximum(result, NEVER)
        return scores

    def tensors(self) -> dict[str, Array]:
        """See `Rule.tensors`."""
        return {"mean": self.mean, "variance": self.variance, "log_prior": self.log_prior}

    def settings(self) -> dict[str, Any]:
        """See `Rule.settings`."""
        return {}

    @classmethod
    def restore(cls, tensors: Mapping[str, Array], _settings: Mapping[str, Any]) -> "Gaussian":
        """See `Rule.restore`."""
        return cls(tensors["mean"], tensors["variance"], tensors["log_prior"])

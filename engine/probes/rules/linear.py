"""Weights and biases: the score of a class is a weighted sum of the features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

# Score of a class that had no training rows: finite, so that files and sums stay finite, and below any real score.
NEVER = np.float32(-1e30)


@dataclass(frozen=True)
class Linear:
    """Class ``c`` gets the score ``x @ weight[c] + bias[c]``.

    Attributes
    ----------
    weight : (k, d) float32
    bias : (k,) float32
    """

    weight: np.ndarray
    bias: np.ndarray
    kind: ClassVar[str] = "linear"

    @classmethod
    def over_all(cls, weight: np.ndarray, bias: np.ndarray, present: np.ndarray, classes: int) -> "Linear":
        """The rule for all `classes` from ``weight : (p, d)`` and ``bias : (p,)`` of the `present` ones.

        A class that had no training rows is never predicted.
        """
        full = np.zeros((classes, weight.shape[1]), np.float32)
        full[present] = weight
        offset = np.full(classes, NEVER)
        offset[present] = bias
        return cls(full, offset)

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Scores ``(n, k)`` float32 of ``x : (n, d)``."""
        scores = np.asarray(x, np.float32) @ self.weight.T
        scores += self.bias
        return scores

    def tensors(self) -> dict[str, np.ndarray]:
        """See `Rule.tensors`."""
        return {"weight": self.weight, "bias": self.bias}

    def settings(self) -> dict[str, Any]:
        """See `Rule.settings`."""
        return {}

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], _settings: Mapping[str, Any]) -> "Linear":
        """See `Rule.restore`."""
        return cls(tensors["weight"], tensors["bias"])

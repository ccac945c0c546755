"""Gradient-boosted trees of XGBoost: the score of a class is its margin, the sum of its trees."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import xgboost

from gapscope.probes.rules.linear import NEVER


@dataclass(frozen=True)
class Boosted:
    """A booster over the classes that had training rows.

    Attributes
    ----------
    model : (bytes,) uint8
        The booster as XGBoost writes it (UBJSON, its documented exchange format); empty where only one class had rows.
    present : (p,) int64
        Those classes, ascending. With two of them the booster gives one margin, that of the second over the first.
    classes
        Number of classes k, with or without rows.
    """

    model: np.ndarray
    present: np.ndarray
    classes: int
    kind: ClassVar[str] = "boosted"

    @cached_property
    def _booster(self) -> xgboost.Booster:
        # One thread: chunks are predicted side by side.
        return xgboost.Booster({"nthread": 1}, model_file=bytearray(self.model.tobytes()))

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Scores ``(n, k)`` float32 of ``x : (n, d)``."""
        scores = np.full((len(x), self.classes), NEVER)
        scores[:, self.present] = 0
        if self.model.size and len(x):
            x = np.ascontiguousarray(x, np.float32)
            result = self._booster.inplace_predict(x, predict_type="margin")
            scores[:, self.present] = margins(result, len(self.present))
        return scores

    def tensors(self) -> dict[str, np.ndarray]:
        """See `Rule.tensors`."""
        return {"model": self.model, "present": self.present}

    def settings(self) -> dict[str, Any]:
        """See `Rule.settings`."""
        return {"classes": self.classes}

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "Boosted":
        """See `Rule.restore`."""
        return cls(tensors["model"], tensors["present"], settings["classes"])


def margins(result: np.ndarray, classes: int) -> np.ndarray:
    """What XGBoost predicts as margins, one column for each of `classes`: ``(n, p)`` float32."""
    if classes > 2:
        return result.reshape(-1, classes)
    return np.column_stack([np.zeros(result.size, np.float32), result.reshape(-1)])

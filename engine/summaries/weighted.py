"""Moments of rows that do not all weigh the same."""

from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.summaries.moments import UNLABELLED, Array


class WeightedMoments(NamedTuple):
    """Total weight, weighted mean and weighted scatter of the labelled rows seen so far.

    Attributes
    ----------
    weight
        Sum of the rows' weights.
    mean : (d,) float64
        Zero where there are no rows.
    scatter : (d, d) float64
        Sum over rows of ``w outer(x - mean, x - mean)``.
    """

    weight: float
    mean: Array
    scatter: Array

    @classmethod
    def of(cls, chunk: Chunk, class_weights: Array) -> "WeightedMoments":
        """Moments of a chunk, a row of class ``c`` weighing ``class_weights[c] > 0`` times its own weight; about ``n
        d²`` float64 flops.
        """
        known = chunk.take(chunk.y != UNLABELLED)
        x, weight = np.asarray(known.x, np.float64), class_weights[known.y] * known.weights
        total = float(weight.sum())
        mean = weight @ x / total if len(x) else np.zeros(x.shape[1])
        x -= mean
        x *= np.sqrt(weight)[:, None]
        return cls(total, mean, x.T @ x)

    def merge(self, other: "WeightedMoments") -> "WeightedMoments":
        """Moments of both row sets together."""
        weight = self.weight + other.weight
        share = other.weight / weight if weight else 0.0
        delta = other.mean - self.mean
        between = np.outer(delta, delta * (self.weight * share))
        return WeightedMoments(weight, self.mean + delta * share, self.scatter + other.scatter + between)

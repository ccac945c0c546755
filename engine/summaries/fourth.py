"""Fourth powers of the lengths of rows around their class means: what Ledoit and Wolf's shrinkage needs to know."""

from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.summaries.moments import UNLABELLED, Array


class FourthPowers(NamedTuple):
    """Sum of ``|z|^4`` over the labelled rows seen so far, ``z`` being a row around its class mean, in some units.

    Attributes
    ----------
    n
        Number of rows; of weighted ones, the sum of their weights.
    total
        The sum.
    """

    n: float
    total: float

    @classmethod
    def of(cls, chunk: Chunk, means: Array, scale: Array) -> "FourthPowers":
        """Of a chunk, for class ``means : (C, d)`` and units ``scale : (d,)``, where infinity leaves a feature out."""
        known = chunk.take(chunk.y != UNLABELLED)
        z = np.asarray(known.x, np.float64)
        z -= means[known.y]
        z /= scale
        squared = np.einsum("nd,nd->n", z, z)
        return cls(float(known.weights.sum()), float(known.weights @ np.square(squared)))

    def merge(self, other: "FourthPowers") -> "FourthPowers":
        """The sum over both row sets."""
        return FourthPowers(self.n + other.n, self.total + other.total)

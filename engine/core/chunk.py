"""A run of rows of an embedding store, ready for computing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Chunk(NamedTuple):
    """Rows that were read together.

    Attributes
    ----------
    sample_id : (n,) int64
        Position of the image in the catalogue's listing.
    x : (n, d) float32, C-contiguous
        Embeddings.
    y : (n,) int32
        Class indices, -1 where the label is unknown.
    weight : (n,) float64 or None
        How many rows each row counts as; None where all count as one.
    """

    sample_id: np.ndarray
    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None = None

    def rows(self, start: int, stop: int) -> "Chunk":
        """The rows ``start <= i < stop`` of this chunk, without copying."""
        return self.take(slice(start, stop))

    def take(self, rows: Any) -> "Chunk":
        """The rows at `rows`: positions, a mask or a slice."""
        weight = None if self.weight is None else self.weight[rows]
        return Chunk(self.sample_id[rows], self.x[rows], self.y[rows], weight)

    @classmethod
    def joined(cls, chunks: "Sequence[Chunk]") -> "Chunk":
        """The rows of all `chunks`, one after another; there is one at least."""
        weighted = any(chunk.weight is not None for chunk in chunks)
        columns = zip(*((*chunk[:3], chunk.weights) for chunk in chunks), strict=True)
        sample_id, x, y, weight = map(np.concatenate, columns)
        return cls(sample_id, x, y, weight if weighted else None)

    @property
    def weights(self) -> np.ndarray:
        """How many rows each row counts as, ``(n,) float64``."""
        return np.ones(len(self.y)) if self.weight is None else self.weight

"""A run of rows of an embedding store, ready for computing."""

from typing import NamedTuple

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
    """

    sample_id: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def rows(self, start: int, stop: int) -> "Chunk":
        """The rows ``start <= i < stop`` of this chunk, without copying."""
        return Chunk(self.sample_id[start:stop], self.x[start:stop], self.y[start:stop])

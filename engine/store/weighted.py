"""A store whose rows do not all count as one."""

from dataclasses import dataclass

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.store.over import Over
from gapscope.store.plan import Piece


@dataclass(frozen=True, eq=False)
class Weighted(Over):
    """The rows of `store`, each counting as so many; one that counts as none is without a label.

    Attributes
    ----------
    by_class : (C,) float64
        What a row of each class counts as.
    by_row : (n,) float64 or None
        What each row counts as besides, by its number; None for one.
    """

    by_class: np.ndarray
    by_row: np.ndarray | None = None
    is_weighted = True

    def read(self, piece: Piece, into: np.ndarray | None = None) -> Chunk:
        """The rows of `piece` with their weights; a row without a label counts as one that is not there."""
        chunk = self.store.read(piece, into)
        weight = self.weights(chunk.y, piece)
        return chunk._replace(y=np.where(weight > 0, chunk.y, np.int32(-1)), weight=weight)

    def weights(self, y: np.ndarray, piece: Piece) -> np.ndarray:
        """The weights ``(n,) float64`` of the rows of `piece`, which are labelled ``y : (n,)``."""
        weight = np.append(self.by_class, 0.0)[y]  # the last entry is where -1 points
        return weight if self.by_row is None else weight * self.by_row[piece.start : piece.stop]

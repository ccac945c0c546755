"""Images as rows that predictions are made of chunk by chunk, the way embeddings are."""

from dataclasses import dataclass

import numpy as np

from gapscope.cnn.images import Images
from gapscope.core.chunk import Chunk
from gapscope.store.plan import Piece, pieces_of

CHUNK_BYTES = 2**26


@dataclass(frozen=True)
class ImageRows:
    """A split's images under the name of its store; rows that hold no image are left out when they are read."""

    images: Images

    @property
    def name(self) -> str:
        """``dataset/split``, for messages and tables."""
        return self.images.name

    def read(self, piece: Piece) -> Chunk:
        """The images of a piece as bytes ``x : (n, h, w, c)``."""
        batch = self.images.batch(np.arange(piece.start, piece.stop))
        return Chunk(batch.rows, batch.x, batch.y.astype(np.int32))


@dataclass(frozen=True)
class ImageView:
    """All rows of a split."""

    store: ImageRows

    @classmethod
    def of(cls, images: Images) -> "ImageView":
        """All rows of `images`."""
        return cls(ImageRows(images))

    @property
    def rows(self) -> int:
        """How many images the split lists."""
        return len(self.store.images.source.listing)

    def pieces(self, chunk_rows: int) -> list[Piece]:
        """Runs of at most `chunk_rows` images, of fewer where they are large: 64 MiB are read at a time."""
        size = max(1, min(chunk_rows, CHUNK_BYTES // self.store.images.frame.pixels))
        return pieces_of(0, self.rows, size)

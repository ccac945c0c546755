"""Some images of another source."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from gapscope.data.source import ByteSource, Listing, Stamps


@dataclass(frozen=True)
class Subset:
    """The images of `source` at the positions ``rows : (n,) int64``, in that order."""

    source: ByteSource
    rows: np.ndarray
    listing: Listing

    @classmethod
    def of(cls, source: ByteSource, rows: np.ndarray) -> "Subset":
        """The images of `source` at `rows`."""
        whole = source.listing
        synthesis = whole.synthesis.rows(rows) if whole.synthesis else None
        listing = Listing([whole.names[row] for row in rows.tolist()], whole.labels[rows], whole.class_names, synthesis)
        return cls(source, rows, listing)

    @property
    def distant(self) -> bool:
        """Whether images are waited for behind a network."""
        return getattr(self.source, "distant", False)

    def read(self, index: int) -> bytes:
        """The bytes of the image at position `index`."""
        return self.source.read(int(self.rows[index]))

    def sizes(self) -> np.ndarray:
        """Bytes of each image, (n,) int64."""
        return self.source.sizes()[self.rows]

    def stamps(self) -> Stamps:
        """Sizes and times of the files that hold the images."""
        return self.source.stamps().rows(self.rows)

    def decode(self, index: int, data: bytes) -> Image.Image:
        """The image at position `index` from its bytes."""
        return self.source.decode(int(self.rows[index]), data)

    def image(self, index: int) -> Image.Image:
        """The image at position `index`."""
        return self.source.image(int(self.rows[index]))

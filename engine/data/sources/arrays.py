"""Images that are small enough to travel inside the source itself."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from gapscope.data.source import FromBytes, Listing, Stamps


@dataclass(frozen=True)
class ArraySource(FromBytes):
    """Grey or colour images, ``pixels : (n, h, w) or (n, h, w, 3) uint8``."""

    pixels: np.ndarray
    listing: Listing

    def read(self, index: int) -> bytes:
        """The pixels of the image at position `index`, row by row."""
        return self.pixels[index].tobytes()

    def sizes(self) -> np.ndarray:
        """Bytes of each image, (n,) int64: all the same."""
        return np.full(len(self.pixels), self.pixels[0].size if len(self.pixels) else 0, np.int64)

    def stamps(self) -> Stamps:
        """Zeros: the images are in no file."""
        return Stamps.none(len(self.pixels))

    def decode(self, index: int, data: bytes) -> Image.Image:
        """The image whose pixels are `data`."""
        return Image.fromarray(np.frombuffer(data, np.uint8).reshape(self.pixels.shape[1:])).convert("RGB")

"""The pixels that a network was trained on here, made again from an image by the same few lines."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from gapscope.networks.frame import Frame


@dataclass(frozen=True)
class Framed:
    """A network's frame and normalisation; a small value that travels to decode workers, who load no network.

    Attributes
    ----------
    mean, std : (channels,)
        Subtracted from the pixels, which are fractions of 1, and divided by; applied on the network's device.
    """

    frame: Frame
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return self.frame.size

    def prepare(self, image: Image.Image) -> np.ndarray:
        """The network's view of an RGB `image`, ``(height, width, 3) uint8``; grey ones in three equal channels."""
        pixels = self.frame.prepare(image)
        return pixels if self.frame.channels == 3 else pixels.repeat(3, axis=2)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the provenance."""
        return {"frame": list(self.frame), "fit": "bicubic", "mean": list(self.mean), "std": list(self.std)}

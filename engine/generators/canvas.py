"""From bytes to the numbers and the size that a network makes images in, and back."""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from gapscope.core.errors import InputError
from gapscope.networks.frame import Frame
from gapscope.networks.pixels import to_device

SMALLEST, LARGEST = 8, 256


class Canvas(NamedTuple):
    """Images inside a canvas whose edges are multiples of a number.

    A network that halves its maps k times needs edges that are multiples of 2^k. Images of another size keep their
    pixels: the canvas is larger by less than 2^k, filled with copies of the outermost rows and columns, half at each
    side, and what is made on it is cut to the images' size.

    Attributes
    ----------
    frame
        Form of the images.
    height, width
        Of the canvas.
    """

    frame: Frame
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what the network makes."""
        return self.frame.channels, self.height, self.width

    @property
    def _before(self) -> tuple[int, int]:
        """Rows above and columns to the left of the image."""
        return (self.height - self.frame.height) // 2, (self.width - self.frame.width) // 2

    def enlarge(self, images: np.ndarray, device: torch.device) -> torch.Tensor:
        """Bytes ``(n, h, w, c)`` as numbers from -1 to 1 on the canvas, ``(n, c, height, width)``."""
        x = to_device(images, device).float() / 127.5 - 1
        (top, left), (down, right) = self._before, (self.height - self.frame.height, self.width - self.frame.width)
        return nn.functional.pad(x, (left, right - left, top, down - top), mode="replicate")

    def cut(self, x: torch.Tensor) -> np.ndarray:
        """What was made on the canvas, ``(n, c, height, width)``, as bytes ``(n, h, w, c)``."""
        top, left = self._before
        x = x[:, :, top : top + self.frame.height, left : left + self.frame.width]
        bytes_ = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return np.ascontiguousarray(bytes_.permute(0, 2, 3, 1).cpu().numpy())


def canvas_of(frame: Frame, halvings: int) -> Canvas:
    """The smallest canvas for images of `frame` that can be halved `halvings` times.

    Raises
    ------
    InputError
        The images are too small or too large to be made pixel by pixel.
    """
    if min(frame.size) < SMALLEST or max(frame.size) > LARGEST:
        raise InputError(
            f"images of {frame.height} × {frame.width} cannot be made pixel by pixel; scale them to between {SMALLEST} "
            f"and {LARGEST} at both edges (32 to 128 is usual)"
        )
    unit = 2**halvings
    return Canvas(frame, *(-(-edge // unit) * unit for edge in frame.size))

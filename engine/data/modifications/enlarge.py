"""Which pixels of a line, and of which in between, an enlargement about its middle shows; as ImageNet-C does it."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Places(NamedTuple):
    """Where an enlarged line is sampled.

    Attributes
    ----------
    before, after : (n,) int64
        Pixels on both sides of each place.
    share : (n,) float32
        Weight of the pixel after it.
    first, kept
        The pixels in view are those from `first` on, `kept` of them.
    """

    before: np.ndarray
    after: np.ndarray
    share: np.ndarray
    first: int
    kept: int


@lru_cache(maxsize=1024)
def places(length: int, zoom: float) -> Places:
    """A line of `length` pixels enlarged by `zoom`.

    The published code crops ``ceil(length / zoom)`` pixels, stretches them so that the first and the last stay what
    they are, and cuts the surplus off; rounding in each step shifts the image by up to a pixel, which at 32 pixels is
    much of what zoom blur does, so it is kept.
    """
    kept = int(np.ceil(length / zoom))
    first, stretched = (length - kept) // 2, max(round(kept * zoom), length)
    inside = (stretched - length) // 2 + np.arange(length)
    result = first + inside * ((kept - 1) / max(stretched - 1, 1))
    before = np.minimum(result.astype(np.int64), length - 1)
    return Places(before, np.minimum(before + 1, length - 1), (result - before).astype(np.float32), first, kept)


def enlarged(layer: np.ndarray, down: Places, right: Places) -> np.ndarray:
    """``layer : (h, w) float32`` with its rows at `down` and its columns at `right`, bilinear, (h, w) float32."""
    rows = layer[down.before] + down.share[:, None] * (layer[down.after] - layer[down.before])
    before = rows[:, right.before]
    return before + right.share * (rows[:, right.after] - before)

"""Smoothed: texture and noise are gone, edges are as sharp as they were, as when a telephone takes noise out."""

import numba
import numpy as np

from gapscope.data.modifications.levels import IMAGE
from gapscope.data.modifications.published import setting_for

# How far the square reaches about a pixel, whose median that becomes, by the size of the image.
LARGE, SMALL = (1, 2, 3, 5, 7), (1, 2, 3, 4, 5)


@numba.njit(numba.uint8[:, :, ::1](IMAGE, numba.int64), nogil=True, cache=True)
def _medians(image, reach):
    """Medians of squares of ``2 reach + 1`` pixels a side, edges repeated; counts of levels go along each row
    (Huang, Yang and Tang 1979, "A fast two-dimensional median filtering algorithm").
    """
    height, width, channels = image.shape
    out = np.empty_like(image)
    half = (2 * reach + 1) ** 2 // 2
    for c in range(channels):
        for y in range(height):
            counts = np.zeros(256, np.int64)
            level = below = 0
            for x in range(width):
                # At the beginning of a row all columns come in, then one does and another goes.
                for column in range(-reach if x == 0 else x + reach, x + reach + 1):
                    for row in range(y - reach, y + reach + 1):
                        new = image[min(max(row, 0), height - 1), min(max(column, 0), width - 1), c]
                        counts[new] += 1
                        below += new < level
                        if x > 0:
                            old = image[min(max(row, 0), height - 1), max(x - reach - 1, 0), c]
                            counts[old] -= 1
                            below -= old < level
                while below > half:
                    level -= 1
                    below -= counts[level]
                while below + counts[level] <= half:
                    below += counts[level]
                    level += 1
                out[y, x, c] = level
    return out


def smoothed(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Each level becomes the median of those about it in its channel."""
    return _medians(image, setting_for(image, severity, LARGE, SMALL))

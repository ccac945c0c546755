"""Fog: a veil of clouds, the plasma fractal of the diamond-square algorithm.

References
----------
Fournier, Fussell and Carpenter (1982), "Computer rendering of stochastic models", Communications of the ACM 25.
"""

import numba
import numpy as np

from gapscope.data.modifications.levels import IMAGE
from gapscope.data.modifications.published import setting_for

# Thickness of the veil, and by how much the clouds' steps shrink at each halving of their size.
IMAGENET = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))
CIFAR = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))


@numba.njit(numba.float32[:, ::1](numba.float32[::1], numba.int64, numba.float64), nogil=True, cache=True)
def _plasma(drawn, side, decay):
    clouds = np.zeros((side, side), np.float32)
    step, rough, used = side, np.float32(1), 0
    while step >= 2:
        half = step // 2
        for y in range(half, side, step):
            for x in range(half, side, step):
                right, below = (x + half) % side, (y + half) % side
                corners = clouds[y - half, x - half] + clouds[y - half, right] + clouds[below, x - half]
                clouds[y, x] = (corners + clouds[below, right]) / 4 + rough * drawn[used]
                used += 1
        for odd in range(2):
            for y in range(odd * half, side, step):
                for x in range((1 - odd) * half, side, step):
                    beside = clouds[y, (x - half) % side] + clouds[y, (x + half) % side]
                    above = clouds[(y - half) % side, x] + clouds[(y + half) % side, x]
                    clouds[y, x] = (beside + above) / 4 + rough * drawn[used]
                    used += 1
        step = half
        rough = np.float32(rough / decay**2)
    return clouds


@numba.njit(numba.uint8[:, :, ::1](IMAGE, numba.float32[:, ::1], numba.float32), nogil=True, cache=True)
def _veiled(image, clouds, thickness):
    height, width, _ = image.shape
    out = np.empty_like(image)
    top, low, high = np.uint8(0), clouds.min(), clouds.max()
    for level in image.reshape(-1):
        top = max(top, level)
    shrunk = top / (top + 255 * thickness)
    veil = 255 * thickness / (high - low)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                level = (image[y, x, c] + veil * (clouds[y, x] - low)) * shrunk
                out[y, x, c] = np.uint8(min(level + 0.5, 255.0))
    return out


def fog(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Clouds are added and the brightest level is kept, as in ImageNet-C."""
    thickness, decay = setting_for(image, severity, IMAGENET, CIFAR)
    side = max(2, 1 << (max(image.shape[:2]) - 1).bit_length())
    drawn = 2 * rng.random(side * side, np.float32) - 1
    return _veiled(image, _plasma(drawn, side, decay), thickness)

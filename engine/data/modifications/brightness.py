"""Brightness: more light, the same hue and saturation."""

import numba
import numpy as np

from gapscope.data.modifications.levels import IMAGE
from gapscope.data.modifications.published import setting_for

# What is added to the value of HSV; white is 1.
IMAGENET = (0.1, 0.2, 0.3, 0.4, 0.5)
CIFAR = (0.05, 0.1, 0.15, 0.2, 0.3)


@numba.njit(numba.uint8[:, :, ::1](IMAGE, numba.float32), nogil=True, cache=True)
def _lit(image, added):
    out = np.empty_like(image)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            value = np.float32(max(image[y, x, 0], image[y, x, 1], image[y, x, 2]))
            more = min(value + added, np.float32(255))
            for c in range(3):
                level = image[y, x, c] * (more / value) if value else more
                out[y, x, c] = np.uint8(level + np.float32(0.5))
    return out


def brightness(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Added to the value of HSV, as in ImageNet-C: levels of a pixel keep their proportions."""
    return _lit(image, 255 * setting_for(image, severity, IMAGENET, CIFAR))

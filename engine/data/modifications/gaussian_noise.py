"""Gaussian noise: the same spread at every level, as of warm electronics."""

import numba
import numpy as np

from gapscope.data.modifications.levels import IMAGE
from gapscope.data.modifications.published import setting_for

# Standard deviation; white is 1.
IMAGENET = (0.08, 0.12, 0.18, 0.26, 0.38)
CIFAR = (0.04, 0.06, 0.08, 0.09, 0.10)


@numba.njit(numba.uint8[:, :, ::1](IMAGE, numba.float32[:, :, ::1], numba.float32), nogil=True, cache=True)
def _added(image, noise, deviation):
    out = np.empty_like(image)
    levels, shifts, sums = image.reshape(-1), noise.reshape(-1), out.reshape(-1)
    for i in range(levels.size):
        value = np.float32(levels[i]) + deviation * shifts[i] + np.float32(0.5)
        sums[i] = np.uint8(min(max(value, np.float32(0)), np.float32(255)))
    return out


# Standard deviation in levels of what a camera adds, in poor light or from a small sensor.
SENSOR = (3, 5, 8, 12, 17)


def sensor_noise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Independent in each pixel and channel, and weaker than in ImageNet-C."""
    return _added(image, rng.standard_normal(image.shape, np.float32), np.float32(SENSOR[severity - 1]))


def gaussian_noise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Independent in each pixel and channel, as in ImageNet-C."""
    noise = rng.standard_normal(image.shape, np.float32)
    return _added(image, noise, 255 * setting_for(image, severity, IMAGENET, CIFAR))

"""Defocus: every point becomes the disk of the open lens.

A disk is a run of equal weights in each of its rows, so a row is the difference of two running sums: 42 terms for the
largest disk instead of 317.
"""

import numpy as np

from gapscope.data.modifications.convolve import bordered, gaussian, separable, shifted_sum
from gapscope.data.modifications.levels import rounded
from gapscope.data.modifications.published import setting_for

# Radius of the disk, and standard deviation of the Gaussian that smooths its edge, in pixels.
IMAGENET = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
CIFAR = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))
# Radius up to which the smoothing takes three weights; then it takes five.
THREE = 8


def defocus_blur(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The smoothed disk, as in ImageNet-C; beyond the border the image is mirrored."""
    radius, deviation = setting_for(image, severity, IMAGENET, CIFAR)
    smooth = separable(image, gaussian(deviation, 1 if radius <= THREE else 2), "reflect")
    return rounded(_disk(smooth, radius))


def _disk(image: np.ndarray, radius: float) -> np.ndarray:
    """Mean of ``image : (h, w, c) float32`` over the pixels no further than `radius` from each pixel."""
    reach = int(radius)
    rows = np.arange(-reach, reach + 1)
    half = np.sqrt(radius**2 - rows**2).astype(np.int64)
    sums = bordered(image, reach, reach + 1, "reflect").cumsum(axis=1, dtype=np.float32)
    down = np.concatenate([rows, rows]) + reach
    right = np.concatenate([half + reach + 1, reach - half])
    share = 1 / (2 * half + 1).sum()
    return shifted_sum(sums, down, right, np.repeat([share, -share], len(rows)), image.shape)

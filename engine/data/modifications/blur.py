"""Gaussian blur."""

import numpy as np

from gapscope.data.modifications.convolve import gaussian, separable
from gapscope.data.modifications.levels import rounded
from gapscope.data.modifications.published import setting_for

# Standard deviation in pixels.
IMAGENET = (1, 2, 3, 4, 6)
CIFAR = (0.4, 0.6, 0.7, 0.8, 1)
# The kernel ends at so many standard deviations, as scikit-image's does.
TRUNCATED = 4


def blur(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The Gaussian filter as in ImageNet-C; beyond the border the nearest pixel goes on."""
    deviation = setting_for(image, severity, IMAGENET, CIFAR)
    return rounded(separable(image, gaussian(deviation, int(TRUNCATED * deviation + 0.5)), "edge"))

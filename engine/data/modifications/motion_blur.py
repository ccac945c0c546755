"""Motion blur: the camera moves while the shutter is open."""

import numpy as np

from gapscope.data.modifications.levels import rounded
from gapscope.data.modifications.motion import one_sided, smeared
from gapscope.data.modifications.published import setting_for

# Radius and standard deviation of ImageMagick's motion blur, in pixels.
IMAGENET = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
CIFAR = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))
LARGEST_ANGLE = 45


def motion_blur(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Smeared in a random direction, at most `LARGEST_ANGLE` degrees from the horizontal, as in ImageNet-C."""
    radius, deviation = setting_for(image, severity, IMAGENET, CIFAR)
    angle = rng.uniform(-LARGEST_ANGLE, LARGEST_ANGLE)
    return rounded(smeared(image, one_sided(radius, deviation), angle))

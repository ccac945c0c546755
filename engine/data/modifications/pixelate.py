"""Pixelation: fewer, larger pixels."""

import numpy as np
from PIL import Image

from gapscope.data.modifications.published import setting_for

# Share of the pixels along each side that is left.
IMAGENET = (0.6, 0.5, 0.4, 0.3, 0.25)
CIFAR = (0.95, 0.9, 0.85, 0.75, 0.65)


def pixelate(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Shrunk and enlarged again, each pixel the mean of what it covers, as in ImageNet-C."""
    share = setting_for(image, severity, IMAGENET, CIFAR)
    whole = Image.fromarray(image)
    small = whole.resize([max(1, int(side * share)) for side in whole.size], Image.Resampling.BOX)
    return np.array(small.resize(whole.size, Image.Resampling.BOX))

"""Shot noise: light comes as photons, and few photons scatter much."""

import numpy as np

from gapscope.data.modifications.photons import counted, shot_tables
from gapscope.data.modifications.published import setting_for

# Photons at white.
IMAGENET = (60, 25, 12, 5, 3)
CIFAR = (500, 250, 100, 75, 50)


def shot_noise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Poisson counts of photons, as in ImageNet-C."""
    return counted(image, shot_tables(setting_for(image, severity, IMAGENET, CIFAR)), rng)

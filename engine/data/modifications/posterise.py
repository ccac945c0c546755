"""Posterisation: few levels in each channel."""

import numpy as np

from gapscope.data.modifications.levels import look_up

BITS = (5, 4, 3, 2, 1)


def posterise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The leading bits of each level, the others zero, as Pillow and RandAugment do it."""
    lost = 8 - BITS[severity - 1]
    return look_up(image, np.arange(256) >> lost << lost)

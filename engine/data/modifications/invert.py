"""Inversion: levels are turned over, first the highest, in the end all, as in a negative."""

import numpy as np

from gapscope.data.modifications.levels import look_up

# Level from which on levels are turned over.
FROM = (204, 153, 102, 51, 0)


def invert(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """255 - level in each channel where the level is high enough."""
    levels = np.arange(256)
    return look_up(image, np.where(levels >= FROM[severity - 1], 255 - levels, levels))

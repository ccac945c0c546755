"""Haze: an even veil of white before everything."""

import numpy as np

from gapscope.data.modifications.levels import look_up

# Share of the light that comes from the veil, and its level.
SHARES = (0.2, 0.35, 0.5, 0.65, 0.78)
VEIL = 245


def haze(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """``share * veil + (1 - share) * image``, the same at every pixel."""
    share = SHARES[severity - 1]
    return look_up(image, share * VEIL + (1 - share) * np.arange(256))

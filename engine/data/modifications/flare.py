"""Flare: a light shines into the lens."""

import numpy as np

from gapscope.data.modifications.levels import rounded

# Levels that are added at its middle, and how wide it is, as a share of the width.
ADDED, WIDTH = (50, 90, 130, 180, 250), 0.3


def flare(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A bright spot in the upper half, white in its middle."""
    place = rng.uniform(0, (1, 0.5))
    height, width = image.shape[:2]
    across, down = (np.arange(side, dtype=np.float32) for side in (width, height))
    squares = (down[:, None] - np.float32(place[1] * height)) ** 2 + (across - np.float32(place[0] * width)) ** 2
    light = np.exp(-squares / np.float32(2 * (WIDTH * width) ** 2))
    return rounded(image + np.float32(ADDED[severity - 1]) * light[..., None])

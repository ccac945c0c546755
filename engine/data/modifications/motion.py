"""Smearing along a line, by weights that fall off behind each point."""

import numpy as np

from gapscope.data.modifications.convolve import bordered, shifted_sum


def smeared(image: np.ndarray, weights: np.ndarray, angle: float) -> np.ndarray:
    """``image : (h, w, c)`` summed along the direction `angle`, in degrees clockwise from the right, float32.

    Each step is rounded to whole pixels, as ImageMagick does it, and beyond the border the nearest pixel goes on.
    """
    steps = np.arange(len(weights))
    right = np.ceil(steps * np.cos(np.deg2rad(angle)) - 0.5).astype(np.int64)
    down = np.ceil(steps * np.sin(np.deg2rad(angle)) - 0.5).astype(np.int64)
    reach = int(np.abs(down).max()), int(np.abs(right).max())
    return shifted_sum(bordered(image, *reach, "edge"), down + reach[0], right + reach[1], weights, image.shape)


def one_sided(radius: int, deviation: float) -> np.ndarray:
    """Weights of ImageMagick's motion blur: half a Gaussian over ``2 radius + 1`` steps, float32, sum 1."""
    weights = np.exp(-0.5 * (np.arange(2 * radius + 1) / deviation) ** 2)
    return (weights / weights.sum()).astype(np.float32)

"""Framing: the camera stood nearer or further away."""

import numpy as np

from gapscope.data.modifications.warp import about_centre, warped

# The share of each side that is left in view, and how much wider the view is.
CLOSE = (0.85, 0.72, 0.58, 0.45, 0.33)
WIDE = (1.2, 1.45, 1.8, 2.3, 3.0)


def close_up(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The middle of the image, enlarged to all of it."""
    return warped(image, about_centre(CLOSE[severity - 1] * np.eye(2), image.shape))


def wide_view(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The image shrunk about its centre, and mirrored around itself."""
    return warped(image, about_centre(WIDE[severity - 1] * np.eye(2), image.shape))

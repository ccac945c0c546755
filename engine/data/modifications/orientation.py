"""Orientation: images that lie on their side, stand on their head or are mirrored, as where a camera's note of how it
was held (EXIF) is not read.
"""

import numpy as np

from gapscope.data.modifications.warp import about_centre, warped

# How many of the images are; an image that is at one severity is at every greater one.
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
LEFT, RIGHT = np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [-1.0, 0.0]])


def sideways(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Turned by a quarter to the left or to the right; sides that it does not fill show the mirrored image."""
    if rng.random() >= SHARES[severity - 1]:
        return image.copy()
    return warped(image, about_centre((LEFT, RIGHT)[rng.integers(2)], image.shape))


def upside_down(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Turned by a half."""
    return np.rot90(image, 2).copy() if rng.random() < SHARES[severity - 1] else image.copy()


def mirrored(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Left and right exchanged."""
    return image[:, ::-1].copy() if rng.random() < SHARES[severity - 1] else image.copy()

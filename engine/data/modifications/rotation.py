"""Rotation about the centre."""

import numpy as np
from PIL import Image

from gapscope.data.modifications.warp import about_centre, warped

DEGREES = (5, 10, 20, 30, 45)


def rotation(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Turned to the left or to the right; corners show the mirrored image."""
    angle = np.deg2rad(DEGREES[severity - 1]) * rng.choice((-1, 1))
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return warped(image, about_centre(linear, image.shape))


def tilted(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Turned to the left or to the right; corners are black."""
    angle = DEGREES[severity - 1] * rng.choice((-1, 1))
    return np.array(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))

"""Sharpened: edges exaggerated, as cameras and editors do it."""

import numpy as np
from PIL import Image, ImageFilter

# Radius of the blur in pixels, and how much of the difference to it is added, in percent.
RADIUS = 2
STRENGTHS = (60, 120, 220, 360, 600)


def sharpened(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """An unsharp mask: the image plus a multiple of what a blur takes away."""
    mask = ImageFilter.UnsharpMask(RADIUS, STRENGTHS[severity - 1], 0)
    return np.array(Image.fromarray(image).filter(mask))

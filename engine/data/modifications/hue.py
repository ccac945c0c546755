"""Hue: every colour becomes another one, at the same saturation and value."""

import numpy as np
from PIL import Image

DEGREES = (15, 30, 60, 100, 180)


def hue(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Hues of HSV turned by so many degrees; grey stays grey."""
    colours = np.array(Image.fromarray(image).convert("HSV"))
    colours[..., 0] += np.uint8(round(DEGREES[severity - 1] / 360 * 256))  # beyond 255 it begins anew
    return np.array(Image.fromarray(colours, "HSV").convert("RGB"))

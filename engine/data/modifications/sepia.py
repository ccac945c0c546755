"""Sepia: colours turn into browns, as of old prints."""

import numpy as np
from PIL import Image

TURNED = (0.2, 0.4, 0.6, 0.8, 1.0)
# Red, green and blue of the print from those of the scene: Filter Effects of CSS (W3C), at an amount of 1.
PRINT = (
    *(0.393, 0.769, 0.189, 0),
    *(0.349, 0.686, 0.168, 0),
    *(0.272, 0.534, 0.131, 0),
)


def sepia(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Blended with its print in browns, which alone is left at severity 5."""
    coloured = Image.fromarray(image)
    printed = coloured.convert("RGB", PRINT)
    return np.array(Image.blend(coloured, printed, TURNED[severity - 1]))

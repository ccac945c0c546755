"""Sepia: colours turn into browns, as of old prints."""

import numpy as np
from PIL import Image

TURNED = (0.2, 0.4, 0.6, 0.8, 1.0)
# Red, green and blue of the print for each level of the scene's luma, whose light stays about the same.
BROWN = (1.15, 0.97, 0.73)


def sepia(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Blended with its print in browns, which alone is left at severity 5."""
    coloured = Image.fromarray(image)
    luma = coloured.convert("L")
    printed = Image.merge(
        "RGB", [luma.point([min(255, round(factor * level)) for level in range(256)]) for factor in BROWN]
    )
    return np.array(Image.blend(coloured, printed, TURNED[severity - 1]))

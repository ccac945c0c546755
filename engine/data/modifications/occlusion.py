"""Occlusion: something grey or black stands before the scene.

References
----------
DeVries and Taylor (2017), "Improved regularization of convolutional neural networks with Cutout", arXiv:1708.04552.
"""

import numpy as np

# Share of the area, and level.
SHARES = (0.05, 0.1, 0.2, 0.3, 0.45)
GREY, BLACK = 127, 0


def occlusion(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A grey rectangle of the image's proportions anywhere inside it; a larger one covers what a smaller one did."""
    return _covered(image, severity, rng, GREY)


def cutout(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The same in black."""
    return _covered(image, severity, rng, BLACK)


def _covered(image: np.ndarray, severity: int, rng: np.random.Generator, level: int) -> np.ndarray:
    sides = np.maximum(1, np.rint(np.sqrt(SHARES[severity - 1]) * np.array(image.shape[:2]))).astype(int)
    top, left = (rng.random(2) * (np.array(image.shape[:2]) - sides)).astype(int)
    out = image.copy()
    out[top : top + sides[0], left : left + sides[1]] = level
    return out

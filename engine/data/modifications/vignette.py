"""Vignette: darker towards the corners, as through a narrow lens or a tube."""

import numpy as np

from gapscope.data.modifications.levels import rounded

# Share of the light that the corners lose.
LOST = (0.3, 0.5, 0.7, 0.85, 1.0)


def vignette(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Light falls with the square of the distance from the centre."""
    down, across = (np.linspace(-1, 1, side, dtype=np.float32) for side in image.shape[:2])
    distance = (down[:, None] ** 2 + across**2) / 2
    return rounded(image * (1 - np.float32(LOST[severity - 1]) * distance)[..., None])

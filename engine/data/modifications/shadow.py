"""Shadow: a part of the image lies in the shadow of something outside of it."""

import numpy as np

from gapscope.data.modifications.levels import rounded

# The share of the light that is left there, and how wide its edge is, as a share of half the image.
LEFT, EDGE = (0.7, 0.55, 0.4, 0.27, 0.15), 0.1


def shadow(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Darker on one side of a line that passes near the centre, in any direction."""
    angle, place = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3)
    down, across = (np.linspace(-1, 1, side, dtype=np.float32) for side in image.shape[:2])
    beyond = np.float32(np.sin(angle)) * down[:, None] + np.float32(np.cos(angle)) * across - np.float32(place)
    dark = np.clip(beyond / np.float32(EDGE) + np.float32(0.5), 0, 1)
    return rounded(image * (1 - np.float32(1 - LEFT[severity - 1]) * dark)[..., None])

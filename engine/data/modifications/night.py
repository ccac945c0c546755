"""Night, made from a picture taken by day: darker mid-tones, less light, cooler colours."""

import numpy as np

from gapscope.data.modifications.levels import look_up

GAMMA = (1.1, 1.25, 1.4, 1.6, 1.8)
EXPOSURE = (0.8, 0.65, 0.52, 0.4, 0.3)
# Share of red, green and blue that is left at the strongest cast; the eye sees blue best where light is scarce.
COOL = np.array([0.55, 0.8, 1.0])
CAST = (0.2, 0.4, 0.6, 0.8, 1.0)


def night(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """``exposure * cast * (image / 255) ** gamma`` in each channel."""
    tones = np.linspace(0, 1, 256) ** GAMMA[severity - 1]
    cast = 1 - CAST[severity - 1] * (1 - COOL)
    return look_up(image, 255 * EXPOSURE[severity - 1] * cast[:, None] * tones)

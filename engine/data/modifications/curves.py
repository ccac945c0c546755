"""Tone curves: black and white stay where they are, or mid-tones do."""

import numpy as np

from gapscope.data.modifications.levels import look_up

# Powers of the level, white being 1; and what the distance to the middle is multiplied by.
DARK = (1.3, 1.6, 2.0, 2.6, 3.5)
BRIGHT = tuple(1 / power for power in DARK)
STEEP = (1.25, 1.5, 1.9, 2.5, 3.5)
MIDDLE = 127.5
LEVELS = np.arange(256)


def gamma_dark(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A power above 1 of every level: darker mid-tones."""
    return look_up(image, 255 * (LEVELS / 255) ** DARK[severity - 1])


def gamma_bright(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A power below 1 of every level: lighter mid-tones."""
    return look_up(image, 255 * (LEVELS / 255) ** BRIGHT[severity - 1])


def high_contrast(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Levels move away from the middle; shadows and highlights end in black and white."""
    return look_up(image, MIDDLE + STEEP[severity - 1] * (LEVELS - MIDDLE))

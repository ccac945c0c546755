"""Exposure: the shutter was open for too short or too long a time."""

import numpy as np

from gapscope.data.modifications.levels import look_up

# What all levels are multiplied by.
UNDER = (0.8, 0.62, 0.47, 0.34, 0.22)
OVER = (1.2, 1.45, 1.8, 2.3, 3.0)
LEVELS = np.arange(256)


def underexposed(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Every level times a factor below 1: no cast, no noise."""
    return look_up(image, UNDER[severity - 1] * LEVELS)


def overexposed(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Every level times a factor above 1; what is above white is white."""
    return look_up(image, OVER[severity - 1] * LEVELS)

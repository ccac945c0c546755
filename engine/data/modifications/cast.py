"""Colour casts: the white balance was set for another light."""

import numpy as np

from gapscope.data.modifications.levels import look_up

# How far a cast goes, as a share of the strongest.
STRENGTH = (0.25, 0.45, 0.65, 0.85, 1.0)
# Factors of red, green and blue at its strongest; the luminance of grey stays about the same.
WARM, COOL = np.array([1.45, 0.97, 0.4]), np.array([0.55, 1.02, 1.6])
GREEN, MAGENTA = np.array([0.75, 1.2, 0.7]), np.array([1.25, 0.75, 1.25])
LEVELS = np.arange(256)


def warm(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """More red and less blue, as under lamps or at sunset."""
    return _cast(image, severity, WARM)


def cool(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """More blue and less red, as in shade."""
    return _cast(image, severity, COOL)


def green(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """More green, as under fluorescent tubes."""
    return _cast(image, severity, GREEN)


def magenta(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Less green, as a correction for tubes makes it in other light."""
    return _cast(image, severity, MAGENTA)


def _cast(image: np.ndarray, severity: int, strongest: np.ndarray) -> np.ndarray:
    factors = 1 + STRENGTH[severity - 1] * (strongest - 1)
    return look_up(image, factors[:, None] * LEVELS)

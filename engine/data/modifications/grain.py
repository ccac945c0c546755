"""Grain: noise of the luminance, as of film, of a grey camera, or of one that smooths colours."""

import numpy as np

from gapscope.data.modifications.levels import rounded

# Standard deviation in levels.
DEVIATIONS = (8, 15, 24, 36, 52)


def grain(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The same Gaussian number added to all channels of a pixel."""
    noise = rng.standard_normal(image.shape[:2], np.float32)[..., None]
    return rounded(image.astype(np.float32) + np.float32(DEVIATIONS[severity - 1]) * noise)

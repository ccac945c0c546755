"""Impulse noise: some levels become black or white, as bits that flip."""

import numba
import numpy as np

from gapscope.data.modifications.levels import IMAGE
from gapscope.data.modifications.published import setting_for

# Share of the levels that are replaced.
IMAGENET = (0.03, 0.06, 0.09, 0.17, 0.27)
CIFAR = (0.01, 0.02, 0.03, 0.05, 0.07)
WORDS = numba.types.Array(numba.uint16, 3, "C", readonly=True)


@numba.njit(numba.uint8[:, :, ::1](IMAGE, WORDS, numba.uint16), nogil=True, cache=True)
def _struck(image, words, replaced):
    out = np.empty_like(image)
    levels, drawn, kept = image.reshape(-1), words.reshape(-1), out.reshape(-1)
    for i in range(levels.size):
        extreme = np.uint8(255) if drawn[i] & np.uint16(1) else np.uint8(0)
        kept[i] = extreme if drawn[i] < replaced else levels[i]
    return out


def impulse_noise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Salt and pepper in equal parts, in each channel for itself, as in ImageNet-C."""
    words = rng.integers(0, 2**16, image.shape, np.uint16)
    return _struck(image, words, round(2**16 * setting_for(image, severity, IMAGENET, CIFAR)))

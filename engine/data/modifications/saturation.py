"""Saturation: colours fade at severities 1 and 2, and glare from 3 on, as ImageNet-C has it."""

import numba
import numpy as np

from gapscope.data.modifications.levels import IMAGE
from gapscope.data.modifications.published import setting_for

# The saturation of HSV is multiplied by the first, and the second is added.
IMAGENET = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))
CIFAR = ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))


@numba.njit(numba.uint8[:, :, ::1](IMAGE, numba.float32, numba.float32), nogil=True, cache=True)
def _coloured(image, factor, added):
    out = np.empty_like(image)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            top = np.float32(max(image[y, x, 0], image[y, x, 1], image[y, x, 2]))
            spread = top - min(image[y, x, 0], image[y, x, 1], image[y, x, 2])
            old = spread / top if top else np.float32(0)
            new = min(old * factor + added, np.float32(1))
            for c in range(3):
                # A grey pixel has the hue 0, red, as everywhere where HSV is used: what is added makes it reddish.
                below = (top - image[y, x, c]) * (new / old) if spread else top * new * np.float32(c > 0)
                out[y, x, c] = np.uint8(max(top - below, np.float32(0)) + np.float32(0.5))
    return out


def saturation(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """``saturation * factor + added`` in HSV; these severities differ in kind, so a larger one need not change more."""
    return _coloured(image, *setting_for(image, severity, IMAGENET, CIFAR))

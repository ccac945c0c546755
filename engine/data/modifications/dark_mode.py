"""Dark mode, as a reader turns white pages black: light areas swap their lightness and keep their hue."""

import numba
import numpy as np

from gapscope.data.modifications.levels import IMAGE

# Lightness from which on an area is turned over: at first only what is nearly white, in the end everything.
FROM = (0.8, 0.6, 0.4, 0.2, 0.0)


@numba.njit(numba.uint8[:, :, ::1](IMAGE, numba.int64), nogil=True, cache=True)
def _turned(image, least):
    out = np.empty_like(image)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            r, g, b = np.int64(image[y, x, 0]), np.int64(image[y, x, 1]), np.int64(image[y, x, 2])
            twice = max(r, g, b) + min(r, g, b)
            shift = 255 - twice if twice >= least else 0
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r + shift, g + shift, b + shift
    return out


def dark_mode(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Lightness (max + min) / 2 turned to 1 - lightness where it is high; hue and chroma stay exactly."""
    return _turned(image, int(np.ceil(510 * FROM[severity - 1])))

"""Images whose new levels depend on nothing but the old ones: a table of 256 levels for each channel."""

import numba
import numpy as np

IMAGE = numba.types.Array(numba.uint8, 3, "C", readonly=True)
TABLES = numba.types.Array(numba.uint8, 2, "C", readonly=True)


@numba.njit(numba.uint8[:, :, ::1](IMAGE, TABLES), nogil=True, cache=True)
def _look_up(image, tables):
    out = np.empty_like(image)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                out[y, x, c] = tables[c, image[y, x, c]]
    return out


def look_up(image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """``image : (h, w, 3) uint8`` with level v of channel c replaced by ``levels[c, v]``.

    Parameters
    ----------
    levels : (256,) or (3, 256) float
        New levels on the scale 0…255; rounded, and what is outside is clipped.
    """
    table = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
    return _look_up(image, np.ascontiguousarray(np.broadcast_to(table, (3, 256))))


@numba.njit(numba.uint8[:, :, ::1](numba.float32[:, :, ::1]), nogil=True, cache=True)
def rounded(values):
    """``values : (h, w, c) float32`` on the scale 0…255 as levels; what is outside is clipped."""
    out = np.empty(values.shape, np.uint8)
    result, levels = values.reshape(-1), out.reshape(-1)
    for i in range(result.size):
        levels[i] = np.uint8(min(max(result[i] + np.float32(0.5), np.float32(0)), np.float32(255)))
    return out

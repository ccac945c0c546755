"""An image seen at other places than its pixels: bilinear, mirrored beyond the border."""

import numba
import numpy as np

from gapscope.data.modifications.levels import IMAGE

MATRIX = numba.types.Array(numba.float64, 2, "C", readonly=True)
FIELD = numba.types.Array(numba.float32, 3, "C", readonly=True)


@numba.njit(inline="always")
def _mirrored(place, last):
    """`place` brought into 0…last by mirroring at both ends, which are not repeated."""
    if 0 <= place <= last:
        return place
    if last == 0:
        return 0.0
    folded = abs(place) % (2.0 * last)
    return 2.0 * last - folded if folded > last else folded


@numba.njit(numba.uint8[:, :, ::1](IMAGE, MATRIX, FIELD), nogil=True, cache=True)
def _warped(image, matrix, field):
    height, width, _ = image.shape
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            u, v = np.float64(x), np.float64(y)
            if field.size:
                u, v = u + field[0, y, x], v + field[1, y, x]
            across = _mirrored(matrix[0, 0] * u + matrix[0, 1] * v + matrix[0, 2], width - 1)
            along = _mirrored(matrix[1, 0] * u + matrix[1, 1] * v + matrix[1, 2], height - 1)
            left, top = int(across), int(along)
            right, low = min(left + 1, width - 1), min(top + 1, height - 1)
            p, q = np.float32(across - left), np.float32(along - top)
            for c in range(3):
                upper = image[top, left, c] + p * (np.float32(image[top, right, c]) - image[top, left, c])
                lower = image[low, left, c] + p * (np.float32(image[low, right, c]) - image[low, left, c])
                out[y, x, c] = np.uint8(upper + q * (lower - upper) + np.float32(0.5))
    return out


NO_FIELD = np.empty((2, 0, 0), np.float32)


def warped(image: np.ndarray, matrix: np.ndarray, field: np.ndarray = NO_FIELD) -> np.ndarray:
    """The pixel at (x, y) is ``image : (h, w, 3) uint8`` at ``matrix @ (x + dx, y + dy, 1)``.

    Parameters
    ----------
    matrix : (2, 3) float64
        Linear part and shift, in pixels.
    field : (2, h, w) float32
        dx and dy; none when left out.
    """
    return _warped(image, np.ascontiguousarray(matrix, np.float64), field)


def about_centre(linear: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The matrix of ``linear : (2, 2)`` with the centre of an image of `shape` left where it is, (2, 3)."""
    centre = np.array([shape[1] - 1, shape[0] - 1]) / 2
    return np.column_stack([linear, centre - linear @ centre])

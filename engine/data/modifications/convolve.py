"""Weighted sums of shifted copies of an image, which every blur comes down to; one row at a time, in vector code."""

from functools import lru_cache

import numba
import numpy as np

ROWS = numba.types.Array(numba.float32, 2, "C", readonly=True)
SHIFTS = numba.types.Array(numba.int64, 1, "C", readonly=True)
WEIGHTS = numba.types.Array(numba.float32, 1, "C", readonly=True)


@numba.njit(numba.void(ROWS, SHIFTS, SHIFTS, WEIGHTS, numba.float32[:, ::1]), nogil=True, cache=True, fastmath=True)
def _shifted(padded, down, right, weights, out):
    for y in range(out.shape[0]):
        row = out[y]
        row[:] = 0
        for i in range(weights.size):
            source, weight = padded[y + down[i], right[i] : right[i] + row.size], weights[i]
            for x in range(row.size):
                row[x] += weight * source[x]


def shifted_sum(
    padded: np.ndarray, down: np.ndarray, right: np.ndarray, weights: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Sum over i of ``weights[i] * padded[down[i] : down[i] + h, right[i] : right[i] + w]``.

    Parameters
    ----------
    padded : (H, W, c) float32
        The image with as much border as the shifts reach for.
    down, right, weights : (n,)
        Shifts in pixels, not negative.
    shape
        Height, width and channels of the sum.
    """
    height, width, channels = shape
    out = np.empty((height, width * channels), np.float32)
    flat = np.ascontiguousarray(padded, np.float32).reshape(len(padded), -1)
    places = np.asarray(down, np.int64), np.asarray(right, np.int64) * channels
    _shifted(flat, *places, np.asarray(weights, np.float32), out)
    return out.reshape(shape)


def bordered(image: np.ndarray, down: int, right: int, mode: str) -> np.ndarray:
    """``image : (h, w, c)`` as float32 with `down` rows and `right` columns more a side, `mode` as in `numpy.pad`."""
    rows = _border(image.shape[0], down, mode)
    columns = _border(image.shape[1], right, mode)
    return image[rows].astype(np.float32)[:, columns]


@lru_cache(maxsize=256)
def _border(length: int, width: int, mode: str) -> np.ndarray:
    return np.pad(np.arange(length), width, mode=mode if length > 1 else "edge")


def separable(image: np.ndarray, weights: np.ndarray, mode: str) -> np.ndarray:
    """``image : (h, w, c)`` filtered with the odd kernel ``weights : (n,)`` downwards and to the right, float32."""
    reach, steps = len(weights) // 2, np.arange(len(weights))
    height, width, channels = image.shape
    padded = bordered(image, reach, reach, mode)
    downwards = shifted_sum(padded, steps, np.zeros_like(steps), weights, (height, width + 2 * reach, channels))
    return shifted_sum(downwards, np.zeros_like(steps), steps, weights, image.shape)


@lru_cache(maxsize=64)
def gaussian(deviation: float, reach: int) -> np.ndarray:
    """Weights of a Gaussian at the whole numbers from -`reach` to `reach`, (2 reach + 1,) float32, sum 1."""
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    return (weights / weights.sum()).astype(np.float32)

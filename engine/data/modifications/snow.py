"""Snow: flakes of several sizes that fall through the open shutter, and a whiter scene behind them."""

import numba
import numpy as np

from gapscope.data.modifications.enlarge import enlarged, places
from gapscope.data.modifications.levels import IMAGE
from gapscope.data.modifications.motion import one_sided, smeared
from gapscope.data.modifications.published import setting_for

# Mean and deviation of the noise that flakes come from, its enlargement, the least noise that is a flake, radius and
# deviation of their motion blur, and the share of the scene that is not whitened.
IMAGENET = (
    (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
CIFAR = (
    (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
    (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
    (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
    (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
    (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
)
# Degrees clockwise from the right: upwards, at most 45 from the vertical; turned by 180, the same layer falls too.
ANGLES = (-135, -45)


@numba.njit(numba.uint8[:, :, ::1](IMAGE, numba.float32[:, :, ::1], numba.float32), nogil=True, cache=True)
def _snowed(image, flakes, kept):
    height, width, _ = image.shape
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            r, g, b = np.float32(image[y, x, 0]), np.float32(image[y, x, 1]), np.float32(image[y, x, 2])
            white = np.float32(1.5) * (r * np.float32(0.299) + g * np.float32(0.587) + b * np.float32(0.114)) + 127.5
            fallen = 255 * (flakes[y, x, 0] + flakes[height - 1 - y, width - 1 - x, 0]) + 0.5
            for c in range(3):
                level = np.float32(image[y, x, c])
                out[y, x, c] = np.uint8(min(kept * level + (1 - kept) * max(level, white) + fallen, 255.0))
    return out


def snow(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Two layers of flakes over a whitened scene, as in ImageNet-C."""
    mean, deviation, zoom, least, radius, smear, kept = setting_for(image, severity, IMAGENET, CIFAR)
    flakes = _flakes(image.shape[:2], mean, deviation, zoom, rng)
    flakes = np.where(flakes < least, 0, np.minimum(flakes, 1))[..., None]
    return _snowed(image, smeared(flakes, one_sided(radius, smear), rng.uniform(*ANGLES)), kept)


def _flakes(shape: tuple[int, int], mean: float, deviation: float, zoom: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise enlarged by `zoom`, (h, w) float32; only what comes into view is drawn."""
    down, right = (places(length, zoom) for length in shape)
    noise = np.zeros(shape, np.float32)
    drawn = rng.standard_normal((down.kept, right.kept), np.float32)
    noise[down.first : down.first + down.kept, right.first : right.first + right.kept] = drawn
    return mean + np.float32(deviation) * enlarged(noise, down, right)

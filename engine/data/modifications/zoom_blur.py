"""Zoom blur: the camera moves towards the scene while the shutter is open."""

import numba
import numpy as np

from gapscope.data.modifications.enlarge import places
from gapscope.data.modifications.levels import IMAGE, rounded
from gapscope.data.modifications.published import setting_for

# Step between enlargements, and how many there are from 1 on: what `numpy.arange` gives the published code, one more
# than its authors may have meant where its end is rounded upwards.
IMAGENET = ((0.01, 12), (0.01, 16), (0.02, 11), (0.02, 13), (0.03, 11))
CIFAR = ((0.01, 7), (0.01, 12), (0.01, 16), (0.01, 21), (0.01, 26))
INDEX = numba.types.Array(numba.int64, 1, "C", readonly=True)
SHARE = numba.types.Array(numba.float32, 1, "C", readonly=True)


@numba.njit(
    numba.void(numba.float32[:, :, ::1], IMAGE, INDEX, INDEX, SHARE, INDEX, INDEX, SHARE),
    nogil=True,
    cache=True,
    fastmath=True,
)
def _add_enlarged(total, image, above, below, down, before, after, right):
    height, width, _ = image.shape
    line = np.empty(width * 3, np.float32)
    for y in range(height):
        upper, lower = image[above[y]].reshape(-1), image[below[y]].reshape(-1)
        for i in range(line.size):
            line[i] = upper[i] + down[y] * (np.float32(lower[i]) - np.float32(upper[i]))
        for x in range(width):
            a, b = 3 * before[x], 3 * after[x]
            for c in range(3):
                total[y, x, c] += line[a + c] + right[x] * (line[b + c] - line[a + c])


def zoom_blur(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The mean of the image and of its enlargements, the first of which is the image again, as in ImageNet-C."""
    step, count = setting_for(image, severity, IMAGENET, CIFAR)
    total = image.astype(np.float32)
    for number in range(count):
        down, right = (places(length, 1 + number * step) for length in image.shape[:2])
        _add_enlarged(total, image, *down[:3], *right[:3])
    return rounded(total / np.float32(count + 1))

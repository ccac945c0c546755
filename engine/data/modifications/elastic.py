"""Elastic deformation: the image is sheared as a whole and pushed about in small areas.

The field of pushes is Gaussian-filtered noise. Mirrored at the borders, that filter only scales the cosine transform
of the noise, so the field is drawn there: a few low frequencies for a wide filter instead of a convolution. It differs
from ImageNet-C's in that sums of many uniform numbers are taken to be normal, and that the filter is not cut at three
deviations. Image and field are sampled at once and not one after the other, which keeps the image a little sharper.

References
----------
Simard, Steinkraus and Platt (2003), "Best practices for convolutional neural networks applied to visual document
analysis", ICDAR.
"""

from functools import lru_cache

import numpy as np

from gapscope.data.modifications.published import is_small
from gapscope.data.modifications.warp import NO_FIELD, warped

# Strength and width of the field of pushes, and how far the corners of the whole move, as shares of SIDE or of 32 px.
IMAGENET = ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02))
CIFAR = ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
# ImageNet-C writes 244 where it means 224, and its published images are made so.
SIDE, SMALL_SIDE = 244, 32
# Largest move of a corner as a share of its distance to the middle; at 224 and at 32 pixels all are smaller.
LARGEST_MOVE = 0.66
# Frequencies that the filter lets through less than this are left out.
LEAST = 1e-3


def elastic(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Corners and pushes as in ImageNet-C, where severities 1 and 2 bend the whole and 3 to 5 small areas."""
    settings, side = (CIFAR, SMALL_SIDE) if is_small(image) else (IMAGENET, SIDE)
    strength, width, corners = (side * share for share in settings[severity - 1])
    matrix = _sheared(image.shape, corners, rng)
    field = _pushes(image.shape, width, rng) * np.float32(strength) if strength else NO_FIELD
    return warped(image, matrix, field)


def _sheared(shape: tuple[int, ...], reach: float, rng: np.random.Generator) -> np.ndarray:
    """The matrix that moves three points of a square in the middle by up to `reach` pixels, seen from the result."""
    middle, arm = np.array([shape[1] // 2, shape[0] // 2]), max(1, min(shape[:2]) // 3)
    points = middle + arm * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = points + _small_enough(rng.uniform(-reach, reach, points.shape), arm)
    return np.linalg.solve(np.column_stack([moved, np.ones(3)]), points.astype(np.float64)).T


def _small_enough(moves: np.ndarray, arm: int) -> np.ndarray:
    """`moves` shrunk where an image is so tiny that they would turn the square over."""
    return moves * min(1.0, LARGEST_MOVE * arm / max(np.abs(moves).max(), 1e-9))


def _pushes(shape: tuple[int, ...], width: float, rng: np.random.Generator) -> np.ndarray:
    """Uniform noise within ±1 in both directions, Gaussian-filtered with deviation `width`, (2, h, w) float32."""
    down, right = _waves(shape[0], width), _waves(shape[1], width)
    drawn = rng.standard_normal((2, down.shape[1], right.shape[1]), np.float32) * np.float32(3**-0.5)
    return np.ascontiguousarray(down @ drawn @ right.T)


@lru_cache(maxsize=64)
def _waves(length: int, width: float) -> np.ndarray:
    """Orthonormal cosines times what the filter lets through of each, (length, k) float32."""
    kept = np.exp(-0.5 * (width * np.pi * np.arange(length) / length) ** 2)
    orders = np.arange(length)[kept >= LEAST]
    cosines = np.cos(np.pi / length * (np.arange(length)[:, None] + 0.5) * orders)
    scale = np.where(orders == 0, length**-0.5, (2 / length) ** 0.5)
    return (cosines * scale * kept[orders]).astype(np.float32)

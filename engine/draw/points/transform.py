"""Counts turned into places on a scale from 0 to 1, and points into dots that can be seen."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt

# With so many points or fewer, each is a dot of this radius in pixels.
RADII = ((200, 4), (2_000, 3), (20_000, 2), (200_000, 1))


class Scale(NamedTuple):
    """A rising curve through ``(values, places)``, straight between them in the logarithm of the value or the value."""

    values: np.ndarray
    places: np.ndarray
    logarithmic: bool = False

    @classmethod
    def straight(cls, low: float, high: float) -> "Scale":
        """From `low` to `high`; everything is in the middle where they are the same."""
        return cls(np.array([low, high]), np.array([0.0, 1.0] if high > low else [0.5, 0.5]))

    @classmethod
    def log(cls, low: float, high: float) -> "Scale":
        """By the logarithm, from `low` > 0 to `high`."""
        return cls(np.array([low, high]), np.array([0.0, 1.0] if high > low else [1.0, 1.0]), logarithmic=True)

    @classmethod
    def equalised(cls, counted: np.ndarray) -> "Scale":
        """As many occupied pixels in any two equal parts of the scale, as far as equal counts allow."""
        values, pixels = np.unique(counted[counted > 0], return_counts=True)
        above = np.cumsum(pixels) - pixels[0]
        return cls(values.astype(np.float64), above / above[-1] if above[-1] else np.ones(1))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Places of `values`; NaN stays NaN, and what is beyond an end is put there."""
        values, known = np.asarray(values, np.float64), self.values
        if self.logarithmic:
            with np.errstate(divide="ignore"):
                values, known = np.log(values), np.log(known)
        return np.where(np.isnan(values), np.nan, np.interp(values, known, self.places))


def occupied(counted: np.ndarray) -> np.ndarray:
    """Counts as float64, NaN where there are none."""
    return np.where(counted > 0, counted, np.nan).astype(np.float64)


def radius(n: int) -> int:
    """Pixels around its own that a point of `n` is drawn on."""
    return next((reach for most, reach in RADII if n <= most), 0)


def nearest(there: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a mask ``(h, w)``: which pixels lie within `reach` of one that is there, and the nearest one's row and column.

    So a point becomes a dot, but where dots would meet each pixel stays with the nearer one.
    """
    if not reach or not there.any():
        return there, *np.indices(there.shape)
    far, (rows, columns) = distance_transform_edt(~there, return_indices=True)
    return far <= reach + 0.25, rows, columns


def means(total: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean of the points on each pixel, (h, w) float64; NaN where there are none."""
    return np.divide(total, counted, out=np.full(total.shape, np.nan), where=counted > 0)


def log_ratio(target: np.ndarray, reference: np.ndarray, fewest: int) -> np.ndarray:
    """log2 of how many times as dense the target is, by pixel; NaN without points, 0 with fewer than `fewest` of both.

    Each density is a share of its own set. One point of both sets together, divided as they are, is added to every
    pixel: that keeps the ratio finite and draws it towards 0 where little is known.
    """
    target, reference = target.astype(np.float64), reference.astype(np.float64)
    both, one = target + reference, 1 / (target.sum() + reference.sum())
    ratio = np.log2((target / target.sum() + one) / (reference / reference.sum() + one))
    return np.where(both == 0, np.nan, np.where(both < fewest, 0.0, ratio))

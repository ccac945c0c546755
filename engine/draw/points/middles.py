"""Where most points of each category lie closest together on a map."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from gapscope.draw.points.cloud import Cloud

# Points of a category among which its middle is looked for; it only says where a name stands. The share of them that is
# to be near it: with all of them it would be the medoid, which for a category of two clusters lies between these.
MOST, SHARE = 200, 0.25


class Middles(NamedTuple):
    """By category; NaN for one without points.

    Attributes
    ----------
    places : (k, 2)
        The point that has a quarter of the others nearest around it.
    reach : (k,)
        Distance within which these are.
    totals : (k,) int64
        Points of the category.
    """

    places: np.ndarray
    reach: np.ndarray
    totals: np.ndarray

    @classmethod
    def of(cls, cloud: Cloud, codes: np.ndarray, categories: int) -> "Middles":
        """Of ``codes : (m,)``, negative for none; sought among 200 points at even distances in the order of rows."""
        order = np.argsort(codes, kind="stable")
        ends = np.searchsorted(codes[order], np.arange(categories + 1))
        places, reach = np.full((categories, 2), np.nan), np.full(categories, np.nan)
        for category, (first, last) in enumerate(pairwise(ends)):
            if first < last:
                rows = order[first : last : -(-(last - first) // MOST)]
                places[category], reach[category] = _middle(np.column_stack([cloud.x[rows], cloud.y[rows]]))
        return cls(places, reach, np.diff(ends))

    def clearest(self) -> np.ndarray:
        """Categories with points, those first that have most of them closest together."""
        there = np.flatnonzero(self.totals)
        least = np.median(self.reach[there]) / 10 or 1.0 if len(there) else 1.0
        return there[np.argsort(-self.totals[there] / (self.reach[there] + least), kind="stable")]


def _middle(points: np.ndarray) -> tuple[np.ndarray, float]:
    far = np.quantile(cdist(points.astype(np.float64), points.astype(np.float64)), SHARE, axis=1)
    return points[far.argmin()], float(far.min())

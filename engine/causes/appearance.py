"""How images look, in numbers that need no network: the attributes of the pixels that the backbone sees.

They are of its view, so that images of different sizes can be compared. A warm cast that a network hardly notices moves
them far beyond chance, with a hundred images or fewer, and a cause that brings the features of the reference to the
target's by looking quite different is seen through.
"""

import numpy as np
from scipy.special import ndtri

from gapscope.attributes import ATTRIBUTES
from gapscope.attributes.attribute import attributes_of

Array = np.ndarray
# Of files and cameras, which nothing that is done to pixels in memory changes.
OF_PIXELS = ("tones", "colours", "texture")
PLACES = [place for place, name in enumerate(ATTRIBUTES) if ATTRIBUTES.targets[name].split(":")[0].split(".")[-1]
          in OF_PIXELS]  # fmt: skip
NAMES = [list(ATTRIBUTES)[place] for place in PLACES]


def appearance(view: Array) -> Array:
    """The attributes of ``view : (h, w, 3) uint8``, what a network sees of an image, ``(b,) float32``; below 1 ms."""
    return attributes_of(view)[PLACES].astype(np.float32)


class NormalScores:
    """Values as normal scores of their ranks among the rows of both sets: no unit, no outlier.

    Attributes
    ----------
    known
        The sorted values of every column without NaN.
    """

    def __init__(self, rows: Array):
        self.known = [np.sort(column[~np.isnan(column)]) for column in rows.T]

    def __call__(self, rows: Array) -> Array:
        """Scores ``(n, b)`` of ``rows : (n, b)``; 0, the middle, for a value that an image has not."""
        return np.stack([_scores(known, one) for known, one in zip(self.known, rows.T, strict=True)], axis=1)


def _scores(known: Array, values: Array) -> Array:
    if not len(known):
        return np.zeros(len(values))
    places = (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / 2
    shares = np.clip(places / len(known), 0.5 / len(known), 1 - 0.5 / len(known))
    return np.where(np.isnan(values), 0.0, ndtri(shares))

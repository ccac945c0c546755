"""Levels as counts of photons: Poisson numbers for 256 levels, drawn from tables because NumPy's take 30 to 40 ns each.

A draw is the inverse of the distribution function at a uniform 32-bit number. A guide of 256 entries says where the
search for it begins, so that it ends after a step or two.
"""

from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np
from scipy.special import pdtr

from gapscope.data.modifications.levels import IMAGE

TOP = 2.0**32 - 1


class Tables(NamedTuple):
    """How counts are drawn, for one channel or for each.

    Attributes
    ----------
    above : (c, 256, k) uint32
        ``P(count <= j)`` in units of 2^-32, for each level.
    guide : (c, 256, 256) int16
        The first count that a uniform number with these leading eight bits may give.
    levels : (k + 1,) uint8
        The level that a count is shown as.
    """

    above: np.ndarray
    guide: np.ndarray
    levels: np.ndarray


def tables(means: np.ndarray, levels: np.ndarray) -> Tables:
    """Tables for ``means : (c, 256) float``, photons at each level, shown as ``levels : (k + 1,)``, k also for more."""
    below = pdtr(np.arange(len(levels) - 1), means[..., None])
    above = np.minimum(np.rint(below * TOP), TOP).astype(np.uint32)
    begins = np.arange(256, dtype=np.uint32) << 24
    guide = [[np.searchsorted(row, begins) for row in channel] for channel in above]
    return Tables(above, np.array(guide, np.int16), levels)


@numba.njit(
    numba.uint8[:, :, ::1](
        IMAGE,
        numba.types.Array(numba.uint32, 3, "C", readonly=True),
        numba.types.Array(numba.uint32, 3, "C", readonly=True),
        numba.types.Array(numba.int16, 3, "C", readonly=True),
        numba.types.Array(numba.uint8, 1, "C", readonly=True),
    ),
    nogil=True,
    cache=True,
)
def _counted(image, uniform, above, guide, levels):
    out = np.empty_like(image)
    last = above.shape[2]
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                channel, level, drawn = min(c, above.shape[0] - 1), image[y, x, c], uniform[y, x, c]
                count = np.int64(guide[channel, level, drawn >> np.uint32(24)])
                while count < last and above[channel, level, count] < drawn:
                    count += 1
                out[y, x, c] = levels[count]
    return out


def counted(image: np.ndarray, result: Tables, rng: np.random.Generator) -> np.ndarray:
    """``image : (h, w, 3) uint8`` as counts of photons show it."""
    uniform = rng.integers(0, 2**32, image.shape, np.uint32)
    return _counted(image, uniform, result.above, result.guide, result.levels)


@lru_cache(maxsize=16)
def shot_tables(photons: float) -> Tables:
    """Tables for a camera that counts `photons` at white, and shows as white whatever is more."""
    means = np.linspace(0, photons, 256)[None]
    return tables(means, np.rint(np.arange(int(np.ceil(photons)) + 1).clip(max=photons) * (255 / photons)).astype("u1"))

"""Which attributes differ between two sets of images, by how much, and whether beyond chance."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from gapscope.attributes import ATTRIBUTES
from gapscope.blocks.formats import number, percent
from gapscope.inference import adjusted

Array = np.ndarray
LEVEL = 0.05
# Fewer images of a side say nothing about an attribute.
LEAST_IMAGES = 10


class Moved(NamedTuple):
    """One attribute in two sets.

    Attributes
    ----------
    name
        In `ATTRIBUTES`.
    reference, target
        Medians.
    above
        How often an image of the target has more of it than one of the reference, ties counting half; with its 95 %
        interval `low` to `high` (DeLong et al. 1988). One half where nothing moved.
    p
        Of the rank test by Mann and Whitney with Holm's correction for all attributes.
    """

    name: str
    reference: float
    target: float
    above: float
    low: float
    high: float
    p: float

    @property
    def effect(self) -> float:
        """How far `above` is from one half, as a share of the most that it can be, with its sign."""
        return 2 * self.above - 1

    @property
    def sentence(self) -> str:
        """The finding in words, without a full stop.

        >>> Moved("luminance", 118, 54, 0.07, 0.05, 0.1, 1e-9).sentence
        'The target is darker: luminance 54 instead of 118 grey levels, darker than 93.0 % of the reference'
        """
        attribute = ATTRIBUTES[self.name]
        word, share = (attribute.more, self.above) if self.above > 0.5 else (attribute.less, 1 - self.above)
        values = f"{attribute.label} {number(self.target)} instead of {number(self.reference)} {attribute.unit}"
        return f"The target is {word}: {values.rstrip()}, {word} than {percent(share)} of the reference"


def moved_attributes(reference: Array, target: Array) -> list[Moved]:
    """Every attribute that ten images or more of each set have and that is not the same in all of them, those that
    moved most first.

    Parameters
    ----------
    reference : (n, a), target : (m, a)
        Rows of `attributes_of`; NaN where an image has none.
    """
    found = []
    for index, name in enumerate(ATTRIBUTES):
        one, other = (column[~np.isnan(column)] for column in (reference[:, index], target[:, index]))
        if min(len(one), len(other)) >= LEAST_IMAGES and np.ptp(np.concatenate([one, other])):
            found.append(_moved(name, one, other))
    corrected = adjusted(np.array([one.p for one in found]), "holm") if found else ()
    result = [one._replace(p=float(p)) for one, p in zip(found, corrected, strict=True)]
    return sorted(result, key=lambda one: -abs(one.effect))


def beyond_chance(moved: Sequence[Moved]) -> list[Moved]:
    """Those that moved at the level of 5 %."""
    return [one for one in moved if one.p <= LEVEL]


def _moved(name: str, one: Array, other: Array) -> Moved:
    n, m = len(one), len(other)
    ranks = rankdata(np.concatenate([one, other]))
    above = float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))
    # How often each image of one set is exceeded by, or exceeds, the other set's.
    exceeded = 1 - (ranks[:n] - rankdata(one)) / m
    exceeds = (ranks[n:] - rankdata(other)) / n
    error = float(np.sqrt(exceeded.var(ddof=1) / n + exceeds.var(ddof=1) / m))
    reach = float(ndtri(1 - LEVEL / 2)) * error
    p = _rank_test(above, ranks, n, m)
    return Moved(name, float(np.median(one)), float(np.median(other)), above, max(above - reach, 0.0),
                 min(above + reach, 1.0), p)  # fmt: skip


def _rank_test(above: float, ranks: Array, n: int, m: int) -> float:
    """Two-sided p of the Mann-Whitney statistic, normal, corrected for ties."""
    counts = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    total = n + m
    ties = float((counts**3 - counts).sum()) / (total * (total - 1))
    deviation = np.sqrt((total + 1 - ties) / (12 * n * m))
    return float(2 * ndtr(-abs(above - 0.5) / deviation)) if deviation else 1.0

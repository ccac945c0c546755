"""How much of a set lies where it is at least twice as dense as another, and what chance gives.

In cells of a few points chance alone makes one set twice as dense as the other. So sets are drawn in which every point
of a cell is the target's with the share that it has of all points; what they show stands beside what is seen.
"""

from typing import NamedTuple

import numpy as np

from gapscope.core.random import stream
from gapscope.draw.points.transform import log_ratio
from gapscope.inference.bootstrap import ends_of

DRAWS, LEVEL = 200, 0.95


class Denser(NamedTuple):
    """A share of the target with its 95 % interval.

    Attributes
    ----------
    chance
        What two samples of one population show on average.
    beyond
        Whether 19 of 20 such samples show less than was seen.
    """

    value: float
    low: float
    high: float
    chance: float
    beyond: bool


def denser(reference: np.ndarray, target: np.ndarray) -> Denser:
    """Of points counted on the same cells, ``(c,)`` each; 200 draws of both sets.

    The interval is the basic one of a bootstrap that keeps the points of each cell, and how they are shared out.
    """
    rng, total = stream(0, "denser"), (reference.astype(np.int64) + target)
    seen = _share(reference, target)
    by_chance = [_drawn(total, target.sum() / total.sum(), rng) for _ in range(DRAWS)]
    again = [_drawn(total, target / np.maximum(total, 1), rng) for _ in range(DRAWS)]
    high, low = 2 * seen - ends_of(np.array(again))
    bounds = (float(one) for one in np.clip([low, high], 0, 1))
    return Denser(seen, *bounds, float(np.mean(by_chance)), bool(seen > np.quantile(by_chance, LEVEL)))


def _drawn(total: np.ndarray, share: np.ndarray | float, rng: np.random.Generator) -> float:
    target = rng.binomial(total, share)
    return _share(total - target, target)


def _share(reference: np.ndarray, target: np.ndarray) -> float:
    if not (reference.sum() and target.sum()):
        return 0.0
    return float(target[log_ratio(target, reference, fewest=1) >= 1].sum() / target.sum())

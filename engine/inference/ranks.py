"""Ranks of numbers, and whether two orders agree."""

import numpy as np
from scipy.special import ndtri

from gapscope.inference.interval import LEVEL

# Halvings of an interval of length 1, until its ends are exact to 16 digits.
HALVINGS = 54


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each of ``values : (n,)`` from 1 on; equal ones share the mean of their ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (count.cumsum() - (count - 1) / 2)[place]


def interval_of_exceedance(share: float, n: int, m: int) -> tuple[float, float]:
    """95 % interval of how often a value of m exceeds one of n, ties counting half, where `share` was seen. It has a
    width also where all exceed all.

    References
    ----------
    Newcombe (2006), "Confidence intervals for an effect size measure based on the Mann-Whitney statistic", part 2,
    method 5.
    """
    if share < 0.5:
        low, high = interval_of_exceedance(1 - share, n, m)
        return 1 - high, 1 - low
    z, more = float(ndtri((1 + LEVEL) / 2)), (n + m) / 2 - 1

    def within(truth: float) -> bool:
        variance = truth * (1 - truth) * (1 + more * ((1 - truth) / (2 - truth) + truth / (1 + truth))) / (n * m)
        return (share - truth) ** 2 <= z * z * variance

    ends = []
    for outside in (0.0, 1.0):
        inside = share
        if share == outside:
            ends.append(share)
            continue
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if within(middle) else (inside, middle)
        ends.append(inside)
    return ends[0], ends[1]


def kendall_tau(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's tau-b of ``one, other : (n,)``: pairs in the same order less those in the other, as a share; NaN where
    either has one value alone. Takes n² numbers of memory.
    """
    first, second = (np.sign(np.subtract.outer(values, values)) for values in map(np.asarray, (one, other)))
    ordered = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / ordered) if ordered else float("nan")

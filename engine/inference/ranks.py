"""Ranks of numbers, and whether two orders agree."""

import numpy as np


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each of ``values : (n,)`` from 1 on; equal ones share the mean of their ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (count.cumsum() - (count - 1) / 2)[place]


def kendall_tau(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's tau-b of ``one, other : (n,)``: pairs in the same order less those in the other, as a share; NaN where
    either has one value alone. Takes n² numbers of memory.
    """
    first, second = (np.sign(np.subtract.outer(values, values)) for values in map(np.asarray, (one, other)))
    ordered = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / ordered) if ordered else float("nan")

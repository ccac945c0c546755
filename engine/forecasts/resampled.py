"""Means over the replicates of the keyed bootstrap: the plain mean first, the replicates behind it."""

from itertools import pairwise
from zlib import crc32

import numpy as np

from gapscope.inference import interval_of, poisson_weights, resampled_sums
from gapscope.inference.bootstrap import BLOCK

TARGET = crc32(b"target")


def seeds(seed: int) -> tuple[int, int]:
    """One seed for each set: ids of two sets may be the same by chance, and their rows are still different samples."""
    return seed, seed ^ TARGET


def resampled_means(sample_id: np.ndarray, values: np.ndarray, seed: int, replicates: int) -> np.ndarray:
    """Means ``(1 + b, q)`` of ``values : (n, q)``: row 0 over all rows, the others over the rows of a replicate.

    A replicate without any row is NaN.
    """
    values = np.asarray(values, np.float64)
    ones = np.ones((len(values), 1))
    sums = resampled_sums(sample_id, np.hstack([values, ones]), seed, replicates)
    drawn = np.where(sums[:, -1:] > 0, sums[:, -1:], np.nan)
    return np.vstack([values.mean(axis=0), sums[:, :-1] / drawn])


def blocks(rows: int) -> list[tuple[int, int]]:
    """Bounds of runs of rows whose weights fit into memory together."""
    return list(pairwise([*range(0, rows, BLOCK), rows]))


def weights_with_all(sample_id: np.ndarray, seed: int, replicates: int) -> np.ndarray:
    """Multiplicities ``(1 + b, n) uint8``: once each in row 0, those of the replicates behind it."""
    return np.vstack([np.ones((1, len(sample_id)), np.uint8), poisson_weights(seed, replicates, sample_id)])


def bounds_of(replicates: np.ndarray) -> tuple[float | None, float | None]:
    """The interval of ``replicates : (b,)``, kept between 0 and 1; none where no replicate has a value."""
    if not np.isfinite(replicates).any():
        return None, None
    low, high = interval_of(np.clip(replicates, 0, 1))
    return low, high


def shown(value: float, low: float | None, high: float | None) -> str:
    """A share with its interval, in per cent.

    >>> shown(0.75, 0.7, 0.8)
    '75.0 % (70.0 to 80.0)'
    """
    return f"{100 * value:.1f} %" + ("" if low is None else f" ({100 * low:.1f} to {100 * high:.1f})")

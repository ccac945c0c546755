"""Tests of two counts against each other: classes that were confused more or less often."""

import numpy as np
from scipy.special import gammaln


def two_sided(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Two-sided p-values from those of both sides, doubled."""
    return np.minimum(2 * np.minimum(lower, upper), 1.0)


def fisher(x: np.ndarray, y: np.ndarray, n: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Two-sided mid-p-values of counts ``y`` of ``m`` against ``x`` of ``n``, all ``(k,)``, given their sums: of the
    observed value only half counts. Takes a number of memory for each that was counted.
    """
    both = x + y
    least, most = np.maximum(both - n, 0), np.minimum(both, m)
    size = most - least + 1
    start = size.cumsum() - size
    row = np.repeat(np.arange(len(size)), size)
    value = np.arange(len(row)) - start[row] + least[row]
    cells = value, m[row] - value, both[row] - value, (n - both)[row] + value
    log = -sum(gammaln(cell + 1.0) for cell in cells)
    law = np.exp(log - np.maximum.reduceat(log, start)[row])
    lower, upper = (
        np.bincount(row, law * (beyond + (value == y[row]) / 2)) for beyond in (value < y[row], value > y[row])
    )
    return two_sided(lower / (lower + upper), upper / (lower + upper))

"""Probabilities of weighted sums of chi-squares, which squared distances of means follow when there is no shift."""

import numpy as np
from scipy.special import gammaincc


def exceeds(value: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """P(Q >= value) for ``Q = sum_i w_i chi2_1`` with this mean and variance, by the gamma distribution that has both.

    1 where `value` or `mean` is 0. Exact for equal weights.

    References
    ----------
    Satterthwaite (1946), "An approximate distribution of estimates of variance components".
    """
    value, mean, variance = np.broadcast_arrays(*(np.asarray(one, np.float64) for one in (value, mean, variance)))
    known = (value > 0) & (mean > 0) & (variance > 0)
    shape, scale = np.where(known, mean, 1.0), np.where(known, variance, 1.0)
    return np.where(known, gammaincc(shape**2 / scale, np.where(known, value, 1.0) * shape / scale), 1.0)


def squared_trace(matrix: np.ndarray, ddof: float) -> float:
    """``tr(S^2)`` of the population behind a covariance ``matrix`` estimated with `ddof` degrees of freedom.

    Unbiased for normal rows; the plain trace of the square is too large by about ``tr(S)^2 / ddof``.

    References
    ----------
    Bai and Saranadasa (1996), "Effect of high dimension: by an example of a two sample problem", eq. 4.2.
    """
    trace, square = float(np.trace(matrix)), float(np.einsum("ij,ij->", matrix, matrix))
    floor = trace**2 / max(len(matrix), 1)
    if ddof <= 1:
        return max(square, floor)
    return max((square - trace**2 / ddof) * ddof**2 / ((ddof - 1) * (ddof + 2)), floor)

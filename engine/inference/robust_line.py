"""The line through most models, which a few broken ones cannot turn, and which models lie off it.

References
----------
Theil (1950), "A rank-invariant method of linear and polynomial regression analysis"; Sen (1968), "Estimates of the
regression coefficient based on Kendall's tau". Holm (1979) for the number of models.
"""

import numpy as np
from scipy.special import stdtr

from gapscope.inference.multiplicity import adjusted

Array = np.ndarray
# Fewest models of which one can be told from the others; level of the test; largest share that may lie off.
FEWEST, LEVEL, MOST_OFF = 8, 0.01, 0.3
# The median of the absolute value of a standard normal variable, inverted.
NORMAL = 1.4826
ROUNDS = 10


def theil_sen(x: Array, y: Array) -> tuple[float, float]:
    """Slope and intercept of the line with the median of the slopes of all pairs of points ``x, y : (m,)``.

    Up to 29 % of the points may lie anywhere. Takes ``m²/2`` numbers: 9 MB for 1,500 models.

    >>> theil_sen(np.array([0.0, 1, 2, 3, 4]), np.array([1.0, 3, 5, 7, -50]))
    (2.0, 1.0)
    """
    first, second = np.triu_indices(len(x), 1)
    step = x[second] - x[first]
    apart = step != 0
    slope = float(np.median((y[second] - y[first])[apart] / step[apart]))
    return slope, float(np.median(y - slope * x))


def off_line(x: Array, y: Array, error: Array | float = 0.0) -> Array:
    """Which points lie off the line of the others, ``(m,) bool``; none of fewer than eight.

    A point is off where its distance from the least-squares line of the points that are not, beside their scatter and
    the standard ``error : (m,)`` of its own distance, is beyond chance at 1 % over all points (Holm). The first points
    to be taken for off are those far from the line of Theil and Sen, which they cannot turn.
    """
    m = len(x)
    if m < FEWEST or np.ptp(x) == 0:
        return np.zeros(m, bool)
    slope, intercept = theil_sen(x, y)
    residual = y - intercept - slope * x
    scatter = NORMAL * float(np.median(np.abs(residual))) * np.sqrt(m / (m - 2))
    off = _beyond(residual, np.maximum(scatter, error), m - 2)
    for _ in range(ROUNDS):
        again = _off_the_rest(x, y, error, off)
        if (again == off).all():
            break
        off = again
    return off


def _off_the_rest(x: Array, y: Array, error: Array | float, off: Array) -> Array:
    """Which points are off the least-squares line of those not in `off`; a point of these is held against the others.

    The scatter is taken from the rest together, without the point itself.
    """
    rest = ~off
    if rest.sum() < FEWEST or np.ptp(x[rest]) == 0:
        return off
    centre, n = x[rest].mean(), int(rest.sum())
    dx = x - centre
    spread = float(dx[rest] @ dx[rest])
    slope = float(dx[rest] @ y[rest]) / spread
    residual = y - y[rest].mean() - slope * dx
    leverage = 1 / n + dx**2 / spread
    squares = float(residual[rest] @ residual[rest])
    own = np.where(rest, np.maximum(1 - leverage, 1e-9), 1 + leverage)
    without = np.where(rest, squares - residual**2 / own, squares) / np.where(rest, n - 3, n - 2)
    size = np.sqrt(np.maximum(without, np.square(error)) * own)
    return _beyond(residual, size, n - 3)


def _beyond(residual: Array, size: Array, freedom: int) -> Array:
    """Which residuals are beyond their `size`; at most 30 % of them, the largest first."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(np.abs(residual) > 1e-9, np.abs(residual) / size, 0.0)
    off = adjusted(2 * stdtr(freedom, -ratio), "holm") <= LEVEL
    most = int(MOST_OFF * len(residual))
    if off.sum() > most:
        off &= np.isin(np.arange(len(residual)), np.argsort(-ratio, kind="stable")[:most])
    return off

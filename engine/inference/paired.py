"""Whether two models differ on the same images, and by how much."""

from math import nan

import numpy as np
from scipy.special import bdtr, ndtri

from gapscope.inference.interval import LEVEL


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test: images that only one of two models gets right are as often the one's
    as the other's. 1 where there are none.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions or percentages".
    """
    # Both tails are alike at one half, and overlap where the two counts are equal.
    return min(2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)), 1.0)


def paired_interval(change: np.ndarray, span: tuple[float, float] = (nan, nan)) -> tuple[float, float]:
    """95 % interval of the mean of ``change : (n,)``, what a model answers right instead of wrong (1), or wrong instead
    of right (-1), or a mean of those; together with a `span` found otherwise, if any.

    It has a width where no answer changed, as resampling has not: one more image of either kind may be the next.

    References
    ----------
    Bonett and Price (2012), "Adjusted Wald confidence interval for a difference of binomial proportions based on
    paired data".
    """
    return paired_interval_of_counts(np.maximum(change, 0).sum(), np.maximum(-change, 0).sum(), len(change), span)


def paired_interval_of_counts(
    more: float, less: float, n: int, span: tuple[float, float] = (nan, nan)
) -> tuple[float, float]:
    """The same of `more` answers of `n` that became right, and `less` that became wrong."""
    gained, lost = (more + 1) / (n + 2), (less + 1) / (n + 2)
    middle = gained - lost
    reach = float(ndtri((1 + LEVEL) / 2)) * float(np.sqrt((gained + lost - middle**2) / (n + 2)))
    return float(np.fmax(np.fmin(middle - reach, span[0]), -1)), float(np.fmin(np.fmax(middle + reach, span[1]), 1))

"""Whether two models differ on the same images."""

from scipy.special import bdtr


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test: images that only one of two models gets right are as often the one's
    as the other's. 1 where there are none.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions or percentages".
    """
    # Both tails are alike at one half, and overlap where the two counts are equal.
    return min(2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)), 1.0)

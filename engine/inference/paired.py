"""Whether two models differ on the same images."""


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test: images that only one of two models gets right are as often the one's
    as the other's. 1 where there are none.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions or percentages".
    """
    from scipy.stats import binomtest  # here, because importing it takes half a second

    disagreements = only_first + only_second
    return float(binomtest(only_first, disagreements).pvalue) if disagreements else 1.0

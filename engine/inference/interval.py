"""How far a share of correct predictions may be from the truth."""

from scipy.special import betaincinv, ndtri

LEVEL = 0.95


def clopper_pearson(right: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact interval that holds the true share with probability `level` or more, for `right` successes in `n` trials.

    Without trials it is ``(0, 1)``. Equal to ``scipy.stats.binomtest(right, n).proportion_ci(level, "exact")``.

    References
    ----------
    Clopper and Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of the binomial".
    """
    tail = (1 - level) / 2
    low = float(betaincinv(right, n - right + 1, tail)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, n - right, 1 - tail)) if right < n else 1.0
    return low, high


def leaves_zero_out(value: float, low: float, high: float, tests: int = 1) -> bool:
    """Whether the 95 % interval of a value leaves 0 out, were it as wide as one of so many tests needs (Bonferroni).

    It is widened as that of a normal distribution would be, because a bootstrap of 200 replicates has no such tails of
    its own; one that leaves its own value out is taken to reach as far on either side. False for one of NaN.
    """
    if low <= 0 <= high:
        return False
    tail = (1 - LEVEL) / 2
    wider = float(ndtri(tail / max(tests, 1)) / ndtri(tail))
    reach = max(value - low if value > 0 else high - value, (high - low) / 2)
    return bool((low > 0) == (value > 0) and abs(value) > wider * reach)

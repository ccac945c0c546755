"""How far a share of correct predictions may be from the truth."""

from scipy.special import betaincinv

LEVEL = 0.95


def clopper_pearson(right: int, n: int, level: float = LEVEL) -> tuple[float, float]:
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

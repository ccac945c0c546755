"""How surprising a Kolmogorov-Smirnov distance of two samples is."""

import numpy as np
from scipy.special import kolmogorov

# Products of sample sizes up to which the exact distribution is computed: milliseconds for each distance.
EXACT = 10_000
# Mean of the limit distribution of sqrt(n m / (n + m)) D without a shift.
MEAN = float(np.sqrt(np.pi / 2) * np.log(2))


def method(n: int, m: int) -> str:
    """Which of the p-values in use `p_values` gives for samples of these sizes: ``exact`` or ``limit``."""
    return "exact" if n * m <= EXACT else "limit"


def p_values(distance: np.ndarray, n: int, m: int) -> np.ndarray:
    """Two-sided p-values of ``distance : (d,)`` between samples of n and m rows; too large where values repeat.

    For small samples the exact distribution over all orders of the rows, otherwise Kolmogorov's limit, which for two
    samples errs to the safe side (SciPy's ``asymp`` applies a correction that belongs to one sample).
    """
    distance = np.asarray(distance, np.float64)
    if method(n, m) == "limit":
        return kolmogorov(np.sqrt(n * m / (n + m)) * distance)
    values, where = np.unique(distance, return_inverse=True)
    return _exact(values, n, m)[where]


def _exact(distance: np.ndarray, n: int, m: int) -> np.ndarray:
    """``P(D >= distance)`` over all equally likely orders of n and m rows.

    ``inside[j]`` is the probability that a path to (i, j) has stayed nearer than the distance all along.

    References
    ----------
    Hodges (1958), "The significance probability of the Smirnov two-sample test".
    """
    near = distance - 1e-12
    inside = np.zeros((m + 1, len(distance)))
    for i in range(n + 1):
        for j in range(m + 1):
            if i + j == 0:
                inside[0] = 1.0
            else:
                left = inside[j - 1] * (j / (i + j)) if j else 0.0
                inside[j] = inside[j] * (i / (i + j)) + left
            inside[j] *= abs(i / n - j / m) < near
    return np.clip(1 - inside[m], 0.0, 1.0)

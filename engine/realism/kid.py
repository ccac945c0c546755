"""Kernel Inception distance: whether synthetic and real rows have one distribution, without a bias for few rows.

It is the unbiased squared maximum mean discrepancy with the kernel ``(x·y / d + 1)³``; its expectation is 0 for a
perfect generator whatever the number of rows, and it may be negative. The default subsets of 1,000 rows that people use
do not exist in a set of 760. Here a subset is half of the rows of each set (at most 1,000): then the spread of the
subsets' values is, to first order, the standard error of the value of all rows, because drawing half without
replacement varies as much as drawing all anew (the delete-half jackknife). Near 0, where the first order vanishes, it
is too wide by a factor of up to the root of 3, and never too narrow.

References
----------
Bińkowski et al. (2018), "Demystifying MMD GANs". Shao and Wu (1989), "A general theory for jackknife variance
estimation".
"""

import numpy as np
from scipy.special import ndtri

from gapscope.core.random import stream
from gapscope.inference import Verdict

Array = np.ndarray
SUBSETS = 100
# Two subsets of 1,000; all kernel values of two such sets take 128 MB.
MOST_ROWS = 2000
FEWEST_ROWS = 4
LEVEL = 0.05


def kid(real: Array, synthetic: Array, *, seed: int = 0, subsets: int = SUBSETS) -> Verdict:
    """KID of ``real : (n, d)`` and ``synthetic : (m, d)``, at most `MOST_ROWS` of each, with its 95 % interval.

    The value is that of all these rows, to which the mean over more and more subsets tends. NaN below 4 rows in a set.
    """
    rng = stream(seed, "kid")
    x, y = _some(real, rng), _some(synthetic, rng)
    n, m = len(x), len(y)
    if min(n, m) < FEWEST_ROWS:
        sentence = f"KID needs {FEWEST_ROWS} rows in each set, there are {n} real and {m} synthetic."
        return Verdict("kid", float("nan"), sentence, n=n + m)
    kernel = cubic(np.concatenate([x, y]))
    value = float(discrepancies(kernel, np.ones((1, n)), np.ones((1, m)))[0])
    halves = discrepancies(kernel, _halves(n, subsets, rng), _halves(m, subsets, rng))
    reach = float(ndtri(1 - LEVEL / 2) * halves.std(ddof=1))
    sentence = (
        f"KID is {value:.4g} ({value - reach:.4g} to {value + reach:.4g}) from {n:,} real and {m:,} synthetic rows, in "
        f"subsets of {n // 2:,} and {m // 2:,}; a perfect generator gets 0 on average."
    )
    return Verdict("kid", value, sentence, value - reach, value + reach, null=0.0, n=n + m)


def cubic(x: Array) -> Array:
    """``(x_i · x_j / d + 1)³``, ``(n, n)``."""
    x = np.asarray(x, np.float64)
    return (x @ x.T / x.shape[1] + 1) ** 3


def discrepancies(kernel: Array, real: Array, synthetic: Array) -> Array:
    """Unbiased squared discrepancies ``(s,)`` of s pairs of subsets.

    Parameters
    ----------
    kernel : (n + m, n + m)
        Of the real rows, then the synthetic ones.
    real : (s, n), synthetic : (s, m)
        1 for the rows of a subset, 0 for the others.
    """
    n = real.shape[1]
    across = np.einsum("sm,sm->s", real @ kernel[:n, n:], synthetic) / (real.sum(axis=1) * synthetic.sum(axis=1))
    return _within(kernel[:n, :n], real) + _within(kernel[n:, n:], synthetic) - 2 * across


def _within(kernel: Array, chosen: Array) -> Array:
    count = chosen.sum(axis=1)
    pairs = np.einsum("sn,sn->s", chosen @ kernel, chosen) - chosen @ np.diagonal(kernel)
    return pairs / (count * (count - 1))


def _some(x: Array, rng: np.random.Generator) -> Array:
    return x if len(x) <= MOST_ROWS else x[rng.choice(len(x), MOST_ROWS, replace=False)]


def _halves(n: int, subsets: int, rng: np.random.Generator) -> Array:
    chosen = np.zeros((subsets, n))
    chosen[:, : n // 2] = 1
    return rng.permuted(chosen, axis=1)

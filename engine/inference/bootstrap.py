"""A bootstrap whose replicates depend on the seed and the sample ids alone, and on no order, chunk or worker.

Each row draws its own multiplicity for each replicate, Poisson with mean 1, from a hash of (seed, replicate, sample
id). Rows with one id get the same multiplicities wherever they appear, so that two models on the same images, or one
model before and after a repair, are resampled as pairs. Rows of two sets must have one id only where they are the same
image; `gapscope.gaps.keys` sees to that.

References
----------
Chamandy et al. (2012), "Estimating uncertainty for massive data streams". Steele, Lea and Flood (2014), "Fast
splittable pseudorandom number generators": the mixing function.
"""

from itertools import pairwise

import numpy as np
from scipy.special import ndtr, pdtr, stdtrit

from gapscope.inference.interval import LEVEL

REPLICATES = 200
BLOCK = 16_384
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Values become multiples of this, so that sums are exact in float64 and come out alike in any order.
GRAIN = 2.0**-24
TABLE = pdtr(np.arange(20), 1.0)


def mixed(number: np.ndarray) -> np.ndarray:
    """SplitMix64's output function: a bijection of 64-bit words that looks random."""
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


def poisson_weights(seed: int, replicates: int, sample_id: np.ndarray) -> np.ndarray:
    """Multiplicities ``(replicates, n) uint8`` of the rows with ``sample_id : (n,) int64``."""
    return _multiplicities(_keys(seed, 0, replicates), sample_id)


def _keys(seed: int, start: int, stop: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        return mixed(mixed(np.array([seed], np.uint64)) + np.arange(start + 1, stop + 1, dtype=np.uint64) * GOLDEN)


def _multiplicities(keys: np.ndarray, sample_id: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        ids = mixed(np.asarray(sample_id).astype(np.uint64) * GOLDEN)
        words = mixed(ids[None, :] + keys[:, None])
    uniform = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.searchsorted(TABLE, uniform, side="right").astype(np.uint8)


def replicate_weights(seed: int, replicate: int, sample_id: np.ndarray) -> np.ndarray:
    """The multiplicities ``(n,) uint8`` of one replicate, ``0 … replicates - 1`` of `poisson_weights`, in blocks."""
    result = np.empty(len(sample_id), np.uint8)
    for start in range(0, len(result), BLOCK):
        block = slice(start, start + BLOCK)
        result[block] = _multiplicities(_keys(seed, replicate, replicate + 1), sample_id[block])[0]
    return result


def resampled_sums(sample_id: np.ndarray, values: np.ndarray, seed: int, replicates: int = REPLICATES) -> np.ndarray:
    """Sums ``(replicates, q)`` of ``values : (n, q)`` over the rows of each replicate, the same in any order of rows.

    Values are rounded to multiples of 2^-24; ``n * max |values|`` must stay below 2^28.
    """
    total = np.zeros((replicates, values.shape[1]))
    for start, stop in pairwise([*range(0, len(values), BLOCK), len(values)]):
        weights = poisson_weights(seed, replicates, sample_id[start:stop])
        whole = np.rint(np.asarray(values[start:stop], np.float64) / GRAIN)
        total += weights.astype(np.float64) @ whole
    return total * GRAIN


def interval_of(replicates: np.ndarray, level: float = LEVEL, rows: float = np.inf) -> tuple[float, float]:
    """The percentile interval of a statistic's ``replicates : (b,)``; NaN replicates are left out.

    Of few rows the percentiles lie too close: they are moved outwards as far as Student's t of `rows` and the factor
    n / (n - 1) of a variance demand.

    References
    ----------
    Hesterberg (2015), "What teachers should know about the bootstrap": expanded percentiles.
    """
    tail = (1 - level) / 2
    if np.isfinite(rows):
        n = max(rows, 2.0)
        tail = float(ndtr(np.sqrt(n / (n - 1)) * stdtrit(n - 1, tail)))
    low, high = ends_of(replicates, tail)
    return float(low), float(high)


def ends_of(replicates: np.ndarray, tail: float = (1 - LEVEL) / 2) -> np.ndarray:
    """The values ``(2, …)`` that leave out `tail` of ``replicates : (b, …)`` on either side; NaN counts as none.

    The quantile p is the value of rank p (b + 1), so that another draw lies beyond it as often as p says: numpy's own
    of 200 replicates would leave out 6 % and not 5 %.

    References
    ----------
    Davison and Hinkley (1997), "Bootstrap methods and their application", section 5.2.1: the rank.
    """
    return np.nanquantile(replicates, [tail, 1 - tail], axis=0, method="weibull")

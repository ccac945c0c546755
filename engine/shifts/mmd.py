"""Maximum mean discrepancy: the distance between two sets in the space of a Gaussian kernel, in one pass.

The kernel is ``exp(-|x - y|² / (2 l²))``, approximated by random features. Three bandwidths ``l`` are tested, half,
once and twice the median distance of the reference sample's rows, and their p-values combined.

References
----------
Gretton et al. (2012), "A kernel two-sample test". Gretton et al. (2009), "A fast, consistent kernel two-sample test":
the spectrum of the null distribution. Zhao and Meng (2015), "FastMMD". Liu and Xie (2020), "Cauchy combination test".
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.special import gammaincc, ndtri

from gapscope.core.errors import InputError
from gapscope.core.random import stream
from gapscope.inference import Verdict
from gapscope.shifts.battery import Findings, Of, Pair, ReferenceSample
from gapscope.summaries.random_features import RandomFeatures

Array = np.ndarray
FREQUENCIES = 256
# The widest first: each is half of the one before.
BANDWIDTHS = ("double", "median", "half")
MEDIAN = BANDWIDTHS.index("median")
MEDIAN_ROWS = 2000
LEVEL = 0.05
# Above it a p-value carries no evidence, and its Cauchy score would drown those of the others.
LARGEST_P = 0.99


class Discrepancy(NamedTuple):
    """What one bandwidth says.

    Attributes
    ----------
    biased
        Squared distance of the two mean embeddings, at most 4; 0 between a set and itself.
    unbiased
        The same less what sampling adds; may be negative.
    null
        Mean of `biased` over two samples of one population.
    error
        Standard error of `unbiased`.
    variance
        Mean squared distance of a row's embedding from the mean embedding of all rows.
    p
        Of `biased`.
    """

    biased: float
    unbiased: float
    null: float
    error: float
    variance: float
    p: float


@dataclass(frozen=True)
class MaximumMeanDiscrepancy:
    """The member of `SHIFTS`; costs ``2 d D + 12 D²`` float64 flops a row for D frequencies."""

    frequencies: int = FREQUENCIES
    needs_rows: ClassVar[bool] = False

    def state_bytes(self, dim: int) -> int:
        """See `Statistic`."""
        return 8 * 3 * 512 * (512 + 1)

    def keeps(self, sample: ReferenceSample) -> Of:
        """Random features around the reference sample's mean, at bandwidths taken from its rows."""
        bandwidth = median_distance(sample)
        drawn = stream(sample.seed, "mmd", "frequencies").standard_normal((sample.dim, self.frequencies))
        widest, origin = drawn / (2 * bandwidth), sample.pooled.mean(axis=0, dtype=np.float64)
        return partial(RandomFeatures.of, origin=origin, frequencies=widest, octaves=len(BANDWIDTHS))

    def compares(self, pair: Pair) -> Findings:
        """One verdict on all bandwidths together, then one on each."""
        one, other = pair.reference.kept, pair.target.kept
        n = one.n + other.n
        if min(one.n, other.n) < 2:
            sentence = f"MMD needs two rows or more in each set, there are {one.n} and {other.n}."
            return Findings([Verdict("mmd", float("nan"), sentence, n=n)])
        result = [discrepancy(one, other, octave) for octave in range(len(BANDWIDTHS))]
        apart = [_single(name, each, n) for name, each in zip(BANDWIDTHS, result, strict=True)]
        return Findings([_together(result, n, median_distance(pair.sample)), *apart])


MMD = MaximumMeanDiscrepancy()


def median_distance(sample: ReferenceSample) -> float:
    """Median distance between the first rows of the sample, `MEDIAN_ROWS` of all sets together; 1 where that is 0.

    Raises
    ------
    InputError
        A feature is not finite.
    """
    share = max(1, MEDIAN_ROWS // len(sample.samples))
    x = np.concatenate([rows[:share] for rows in sample.samples]).astype(np.float64)
    if not np.isfinite(x).all():
        raise InputError("a feature among the first rows of the sets is not finite; extract these images again")
    x -= x.mean(axis=0)
    squares = np.einsum("nd,nd->n", x, x)
    apart = (squares[:, None] + squares - 2 * x @ x.T)[np.triu_indices(len(x), 1)]
    result = float(np.sqrt(max(np.median(apart), 0.0))) if apart.size else 0.0
    return result if result > 1e-6 * np.sqrt(squares.max(initial=0.0)) else 1.0


def discrepancy(one: RandomFeatures, other: RandomFeatures, octave: int) -> Discrepancy:
    """The discrepancy of two sets at one bandwidth, with its null distribution from the spectrum of both together.

    Under the null ``biased`` is distributed as ``(1/n + 1/m) Σ λ_i χ²``, λ being the eigenvalues of the covariance of
    the features; a gamma law with the same two moments needs only their sum and the sum of their squares.
    """
    between = one.mean[octave] - other.mean[octave]
    biased, share = float(between @ between), 1 / one.n + 1 / other.n
    within = _variance(one, octave) / one.n + _variance(other, octave) / other.n
    trace, squares = spectrum(one.merge(other), octave)
    curvature = 4 * (_along(one, octave, between) / one.n + _along(other, octave, between) / other.n)
    error = float(np.sqrt(curvature + 2 * squares * share**2))
    p = float(gammaincc(trace**2 / (2 * squares), biased / (2 * squares * share / trace))) if trace > 0 else 1.0
    return Discrepancy(biased, biased - within, trace * share, error, trace, p)


def _variance(features: RandomFeatures, octave: int) -> float:
    mean = features.mean[octave]
    return max(1 - float(mean @ mean), 0.0) * features.n / (features.n - 1)


def _along(features: RandomFeatures, octave: int, direction: Array) -> float:
    mean = float(features.mean[octave] @ direction)
    return max(float(direction @ features.product[octave] @ direction) / features.n - mean**2, 0.0)


def spectrum(features: RandomFeatures, octave: int) -> tuple[float, float]:
    """Sum and sum of squares of the eigenvalues of the features' covariance, both without the bias of small samples.

    The plain sum of squares is too large by about ``trace² / n``, which is much when the kernel is narrow. Because the
    features of every row have length 1, sums over all pairs, triples and quadruples of different rows follow from the
    state (the U-statistic of Chen and Qin 2010, "A two-sample test for high-dimensional data").
    """
    n, total, product = features.n, features.total[octave], features.product[octave]
    length = float(total @ total)
    trace = max(n - length / n, 0.0) / (n - 1)
    pairs = float(np.vdot(product, product)) - n
    triples = float(total @ product @ total) - 2 * length + n - pairs
    quadruples = (length - n) ** 2 - 4 * triples - 2 * pairs
    squares = pairs / (n * (n - 1)) - 2 * triples / (n * (n - 1) * (n - 2))
    squares += quadruples / (n * (n - 1) * (n - 2) * (n - 3))
    # float32 features do not have length 1 to the last digit: below that, there is no variance.
    return (trace, max(squares, trace**2 / len(total))) if trace > 1e-6 else (0.0, 0.0)


def combined(p: Array) -> float:
    """One p-value of several, however they depend on each other, by their mean Cauchy score; never below the least."""
    scores = np.tan((0.5 - np.minimum(p, LARGEST_P)) * np.pi)
    return float(max(0.5 - np.arctan(scores.mean()) / np.pi, np.min(p)))


def _together(result: list[Discrepancy], n: int, bandwidth: float) -> Verdict:
    middle = result[MEDIAN]
    value, p = max(middle.unbiased, 0.0), combined(np.array([each.p for each in result]))
    effect = float(np.sqrt(value / middle.variance)) if middle.variance else 0.0
    reach = float(ndtri(1 - LEVEL / 2)) * middle.error
    low, high = (max(middle.unbiased + step, 0.0) for step in (-reach, reach))
    if p >= LEVEL:
        sentence = "The kernel test finds no difference beyond what samples of this size show"
    else:
        sentence = f"The two sets differ in distribution: their kernel means lie {effect:.3g} standard deviations apart"
    sentence = f"{sentence} (squared MMD {value:.3g} at bandwidth {bandwidth:.3g})."
    return Verdict("mmd", value, sentence, low, high, p, effect, n=n)


def _single(name: str, one: Discrepancy, n: int) -> Verdict:
    sentence = (
        f"Squared MMD at {name} bandwidth is {one.biased:.3g}, where samples of one population give {one.null:.3g}."
    )
    effect = float(np.sqrt(max(one.unbiased, 0.0) / one.variance)) if one.variance else 0.0
    return Verdict(f"mmd_{name}_bandwidth", one.biased, sentence, p=one.p, effect=effect, null=one.null, n=n)

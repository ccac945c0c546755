"""Shift along lines: energy, Wasserstein and Kolmogorov-Smirnov distances of both sets' shadows on fixed directions.

Random directions see every kind of shift, and the energy distance of the whole space is the average of that along all
lines; the principal directions of the reference sample are where much varies. Each shadow is a histogram, so one read
does.

The test of the sliced energy is a spectral one: without a shift the statistic follows a weighted sum of chi-squares
whose weights are the eigenvalues of a centred kernel, the mean absolute difference along the slices. Their sum comes
from the histograms of all rows, the sum of their squares from a few hundred rows. A bootstrap of the pooled histograms
would take the slices for independent, which they are not; permuting rows would need the rows again.

References
----------
Székely and Rizzo (2013), "Energy statistics". Gretton et al. (2009), "A fast, consistent kernel two-sample test": the
null distribution. Székely and Rizzo (2014), "Partial distance correlation": the unbiased sum of squares.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import gammaln

from gapscope.core.chunk import Chunk
from gapscope.core.random import stream
from gapscope.inference import Verdict
from gapscope.shifts.battery import Findings, Pair, ReferenceSample, Side
from gapscope.shifts.chi_square import exceeds
from gapscope.shifts.kolmogorov import MEAN
from gapscope.shifts.marginal import ks_bracket, wasserstein_distance, wasserstein_null
from gapscope.store import View
from gapscope.summaries.histograms import Bins, Histograms, widths

RANDOM, PRINCIPAL = 256, 32
LEVEL, NORMAL = 0.05, 1.959963984540054
# Rows of each set from which the spread of the null distribution and of the estimate are taken.
PROBED_ROWS = 400
# Places behind the binary point of directions and of features over their largest size.
DIRECTION_BITS, FEATURE_BITS = 16, 20
# Rows that are rounded at a time: they stay in a processor's cache.
BLOCK_ROWS = 256
SMALLEST = float(np.finfo(np.float32).smallest_subnormal)


@dataclass(frozen=True, eq=False)
class Slices:
    """Directions, the first `RANDOM` of them random ones, and the bins along them.

    Attributes
    ----------
    directions : (d, s) float64
        Of length one, up to rounding to 16 binary places.
    unit
        Power of two that the features stay below, for the most part.
    bins
        Of the s shadows.
    """

    directions: np.ndarray
    unit: float
    bins: Bins

    @classmethod
    def of(cls, sample: ReferenceSample) -> "Slices":
        """Directions and bins for the sets of a reference sample."""
        rows = np.concatenate(sample.samples)
        directions = np.column_stack([_random(sample), _principal(sample.pooled)])
        unit = 2.0 ** np.ceil(np.log2(max(float(np.abs(rows).max()), SMALLEST)))
        return cls(directions, unit, Bins.of(shadows(rows, directions, unit)))


def shadows(x: np.ndarray, directions: np.ndarray, unit: float) -> np.ndarray:
    """Coordinates ``(n, s)`` float32 of ``x : (n, d)`` along ``directions : (d, s)``; ``2 n d s`` float64 flops.

    Features are rounded to 20 binary places below `unit` and directions have 16, so the products and their sums are
    whole numbers of a grain and exact: the same bit for bit in any chunk, on any machine. Otherwise a row next to an
    edge could change its bin with its neighbours in the chunk.
    """
    grain, result = unit * 2.0**-FEATURE_BITS, np.empty((len(x), directions.shape[1]), np.float32)
    for start in range(0, len(x), BLOCK_ROWS):
        whole = np.rint(np.asarray(x[start : start + BLOCK_ROWS], np.float64) / grain)
        result[start : start + BLOCK_ROWS] = (whole @ directions) * grain
    return result


def _random(sample: ReferenceSample) -> np.ndarray:
    drawn = stream(sample.seed, "slices").standard_normal((sample.dim, RANDOM))
    return _rounded(drawn / np.linalg.norm(drawn, axis=0))


def _principal(sample: np.ndarray) -> np.ndarray:
    """The directions along which most varies in a sample, at most `PRINCIPAL`."""
    centred = sample.astype(np.float64) - sample.mean(axis=0, dtype=np.float64)
    count = min(PRINCIPAL, *centred.shape)
    return _rounded(np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :count])


def _rounded(directions: np.ndarray) -> np.ndarray:
    return np.rint(directions * 2**DIRECTION_BITS) / 2**DIRECTION_BITS


class Kept(NamedTuple):
    """Histograms of the shadows."""

    slices: Slices
    histograms: Histograms

    @classmethod
    def of(cls, chunk: Chunk, slices: Slices) -> "Kept":
        """Of a chunk."""
        return cls(slices, Histograms.of(shadows(chunk.x, slices.directions, slices.unit), slices.bins))

    def merge(self, other: "Kept") -> "Kept":
        """Of both row sets."""
        return Kept(self.slices, self.histograms.merge(other.histograms))


class Along(NamedTuple):
    """Distances along each slice, ``(s,)``.

    Attributes
    ----------
    energy
        ``2 integral (F - G)^2``, the squared energy distance.
    apart
        Mean distance of a row of one set and a row of the other.
    within
        ``2 integral H (1 - H)`` of both sets together, mean distance of two of their rows.
    noise
        What the energy of finite samples exceeds that of their populations by, on average.
    wasserstein, wasserstein_expected
        Wasserstein-1, and that of two samples of one population.
    ks
        Kolmogorov-Smirnov, lower bound.
    """

    energy: np.ndarray
    apart: np.ndarray
    within: np.ndarray
    noise: np.ndarray
    wasserstein: np.ndarray
    wasserstein_expected: np.ndarray
    ks: np.ndarray


@dataclass(frozen=True)
class SlicedShift:
    """Many lines through the space."""

    needs_rows: bool = False

    def state_bytes(self, dim: int) -> int:
        """See `Statistic`."""
        return 8 * 288 * (1024 + dim)

    def keeps(self, sample: ReferenceSample) -> partial:
        """Histograms of the shadows on 256 random and 32 principal directions."""
        return partial(Kept.of, slices=Slices.of(sample))

    def compares(self, pair: Pair) -> Findings:
        """Verdicts on sliced energy, Wasserstein and Kolmogorov-Smirnov, and on the energy of all dimensions."""
        result = along(pair.reference.kept.slices.bins, pair.reference.kept.histograms, pair.target.kept.histograms)
        random = Along(*(distance[:RANDOM] for distance in result))
        energy = _energy(pair, random)
        return Findings([energy, _whole(pair, energy), _wasserstein(pair, random), _ks(pair, result)])


SLICED = SlicedShift()


def along(bins: Bins, one: Histograms, other: Histograms) -> Along:
    """The distances between two sets of histograms; distributions are straight lines between the edges."""
    f, g, width = one.below, other.below, widths(bins, one, other)
    both = (f * one.n + g * other.n) / (one.n + other.n)
    gap = f - g
    own = [2 * ((_level(h) - _product(h, h)) * width).sum(axis=1) for h in (f, g, both)]
    return Along(
        2 * (_product(gap, gap) * width).sum(axis=1),
        ((_level(f) + _level(g) - 2 * _product(f, g)) * width).sum(axis=1),
        own[2],
        own[0] / (one.n - 1) + own[1] / (other.n - 1),
        wasserstein_distance(bins, one, other),
        wasserstein_null(bins, one, other),
        ks_bracket(bins, one, other).low,
    )


def _level(f: np.ndarray) -> np.ndarray:
    """Mean of straight lines through ``f : (s, b + 1)`` over each bin."""
    return (f[:, 1:] + f[:, :-1]) / 2


def _product(f: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Mean of the product of two such lines over each bin."""
    a, b, c, e = f[:, :-1], f[:, 1:], g[:, :-1], g[:, 1:]
    return (2 * a * c + a * e + b * c + 2 * b * e) / 6


def _energy(pair: Pair, random: Along) -> Verdict:
    n, m = pair.reference.n, pair.target.n
    unit = 1 / n + 1 / m
    raw, mean = float(random.energy.mean()), unit * float(random.within.mean())
    square, wander = _spectrum(pair)
    p = float(exceeds(raw, mean, 2 * unit**2 * square))
    reach = NORMAL * float(np.sqrt(2 * unit**2 * square + wander))
    true = raw - float(random.noise.mean())
    low, value, high = (max(0.0, true + step) for step in (-reach, 0.0, reach))
    effect = value / max(float(2 * random.apart.mean()), 1e-300)
    sentence = (
        f"along random lines the sets differ by {effect:.3g} on the scale from 0 (alike) to 1 (nothing in common), "
        "more than sampling explains"
        if p <= LEVEL
        else "along random lines no difference beyond what samples of this size show"
    )
    return Verdict("sliced_energy", value, sentence, low, high, p, effect, n=n + m)


def _spectrum(pair: Pair) -> tuple[float, float]:
    """Sum of the squared eigenvalues of the kernel, and the variance of the energy around a value that is not 0; both
    from `PROBED_ROWS` rows of each set.
    """
    one, other = (_probed(side) for side in (pair.reference, pair.target))
    rows = np.concatenate([one, other])
    distance = cdist(rows, rows, "cityblock") / RANDOM
    witness = distance[:, len(one) :].mean(axis=1) - distance[:, : len(one)].mean(axis=1)
    wander = 4 * (witness[: len(one)].var() / pair.reference.n + witness[len(one) :].var() / pair.target.n)
    return _squared_eigenvalues(distance), float(wander)


def _probed(side: Side) -> np.ndarray:
    view, slices = side.view, side.kept.slices
    first = View(view.store, view.start, min(view.stop, view.start + PROBED_ROWS)).read()
    return shadows(first.x, slices.directions[:, :RANDOM], slices.unit).astype(np.float64)


def _squared_eigenvalues(distance: np.ndarray) -> float:
    """Unbiased sum of squared eigenvalues of the centred kernel behind ``distance : (r, r)``; needs r > 3."""
    r = len(distance)
    rows = distance.sum(axis=1) / (r - 2)
    centred = distance - rows[:, None] - rows[None, :] + distance.sum() / ((r - 1) * (r - 2))
    np.fill_diagonal(centred, 0.0)
    return max(float((centred**2).sum()) / (r * (r - 3)), 0.0)


def _whole(pair: Pair, sliced: Verdict) -> Verdict:
    """The energy distance in all dimensions: the mean absolute coordinate of a unit vector turns one into the other."""
    d = len(pair.reference.moments.mean)
    factor = float(np.exp(gammaln((d + 1) / 2) - gammaln(d / 2)) * np.sqrt(np.pi))
    low, high = sliced.low * factor, sliced.high * factor
    sentence = (
        f"squared energy distance of all {d:,} features together, estimated from {RANDOM} lines and all rows"
        if sliced.p <= LEVEL
        else f"no difference of all {d:,} features together beyond what samples of this size show"
    )
    value = sliced.value * factor
    return Verdict("energy_distance", value, sentence, low, high, effect=sliced.effect, n=sliced.n)


def _wasserstein(pair: Pair, random: Along) -> Verdict:
    value, null = float(random.wasserstein.mean()), float(random.wasserstein_expected.mean())
    sentence = (
        f"along a random line, rows have to move by {value:.3g} to turn one set into the other, two samples of one "
        f"population by about {null:.2g}"
        if value > null
        else f"along a random line, no difference beyond what two samples of one population show ({null:.2g})"
    )
    unit = max(float(random.within.mean()), 1e-300)
    effect = max(0.0, value - null) / unit
    return Verdict("sliced_wasserstein", value, sentence, effect=effect, null=null, n=pair.reference.n + pair.target.n)


def _ks(pair: Pair, result: Along) -> Verdict:
    """The line that parts the sets most."""
    n, m = pair.reference.n, pair.target.n
    worst = int(np.argmax(result.ks))
    value, mean = float(result.ks[worst]), float(result.ks.mean())
    which = "a random line" if worst < RANDOM else f"principal direction {worst - RANDOM + 1}"
    null = MEAN * float(np.sqrt(1 / n + 1 / m))
    sentence = (
        f"the sets part most along {which}, where a threshold tells {value:.3g} more of one than of the other; "
        f"{mean:.3g} on average over the lines, two samples of one population about {null:.2g}"
        if mean > null
        else f"no difference along lines beyond what two samples of one population show ({null:.2g} on average)"
    )
    return Verdict("sliced_ks", value, sentence, effect=max(0.0, mean - null), null=null, n=n + m)

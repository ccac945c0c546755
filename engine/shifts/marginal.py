"""Shift of each feature's distribution: Kolmogorov-Smirnov, Wasserstein and divergences over bins.

All come from histograms with about a thousand bins, which bracket the Kolmogorov-Smirnov distance: between two edges
the distributions can part no further than the bin's mass allows. Sets that fit in memory together are read again, and
their Kolmogorov-Smirnov and Wasserstein distances are exact.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.inference import Verdict, adjusted
from gapscope.shifts.battery import Findings, Pair, ReferenceSample
from gapscope.shifts.divergences import hellinger, jeffreys, jensen_shannon, population_stability, total_variation
from gapscope.shifts.kolmogorov import MEAN, method, p_values
from gapscope.shifts.sorted_columns import column_distances
from gapscope.summaries.histograms import Bins, Histograms, widths

LEVEL = 0.05
# Bins of a divergence: with many more, those of two samples of one population grow with the bins.
COARSE = 20


class Kept(NamedTuple):
    """Histograms with their bins."""

    bins: Bins
    histograms: Histograms

    @classmethod
    def of(cls, chunk: Chunk, bins: Bins) -> "Kept":
        """Of a chunk."""
        return cls(bins, Histograms.of(chunk.x, bins))

    def merge(self, other: "Kept") -> "Kept":
        """Of both row sets."""
        return Kept(self.bins, self.histograms.merge(other.histograms))


class Bracket(NamedTuple):
    """Kolmogorov-Smirnov distances lie from `low` to `high`, ``(d,)``; exact where these are equal."""

    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class MarginalShift:
    """Each feature on its own."""

    needs_rows: bool = False

    def state_bytes(self, dim: int) -> int:
        """See `Statistic`."""
        return 8 * 1024 * dim

    def keeps(self, sample: ReferenceSample) -> partial:
        """Histograms on edges near the quantiles of the reference sample."""
        return partial(Kept.of, bins=Bins.of(np.concatenate(sample.samples)))

    def compares(self, pair: Pair) -> Findings:
        """Verdicts on the largest and the average distance, and all distances of each feature."""
        bins, one, other = pair.reference.kept.bins, pair.reference.kept.histograms, pair.target.kept.histograms
        exact = _exact(pair)
        bracket, wasserstein = exact or (ks_bracket(bins, one, other), wasserstein_distance(bins, one, other))
        p = p_values(bracket.low, one.n, other.n)
        columns = {
            "ks": bracket.low,
            "ks_high": bracket.high,
            "ks_p": p,
            "ks_adjusted_p": adjusted(p, pair.options.correction),
            "wasserstein": wasserstein,
            "wasserstein_sd": _in_deviations(pair, wasserstein),
            **_divergences(one, other),
        }
        null = float(_in_deviations(pair, wasserstein_null(bins, one, other)).mean())
        return Findings(_verdicts(pair, columns, null), columns)


MARGINAL = MarginalShift()


def ks_bracket(bins: Bins, one: Histograms, other: Histograms) -> Bracket:
    """Certified bounds of the Kolmogorov-Smirnov distance ``(d,)`` of each feature.

    With shares p, q of a bin and the difference of the distributions at its left edge, the difference inside lies
    between ``left - q`` and ``left + p``. A bin that holds a single number has no inside.
    """
    left = (one.below - other.below)[:, :-1]
    p, q = one.counts / max(one.n, 1), other.counts / max(other.n, 1)
    inside = np.where(bins.points, 0.0, np.maximum(left + p, q - left))
    low = np.abs(left).max(axis=1)
    return Bracket(low, np.maximum(low, inside.max(axis=1)))


def wasserstein_distance(bins: Bins, one: Histograms, other: Histograms) -> np.ndarray:
    """Wasserstein-1 distance ``(d,)``, in units of the feature: the integral of ``|F - G|``, each bin's mass spread
    evenly over it.
    """
    gap = one.below - other.below
    left, right = gap[:, :-1], gap[:, 1:]
    total = np.abs(left) + np.abs(right)
    # A straight line from left to right that crosses zero encloses two triangles.
    triangles = np.divide(left**2 + right**2, 2 * total, out=np.zeros_like(total), where=total > 0)
    area = np.where(left * right < 0, triangles, total / 2)
    return (area * widths(bins, one, other)).sum(axis=1)


def wasserstein_null(bins: Bins, one: Histograms, other: Histograms) -> np.ndarray:
    """The Wasserstein-1 distance ``(d,)`` to expect of two samples of the population that both together show.

    At each point the difference of two empirical distributions is nearly normal; the mean of its size is integrated.
    """
    shares = (one.below * one.n + other.below * other.n) / max(one.n + other.n, 1)
    deviation = np.sqrt(np.maximum(0.0, shares * (1 - shares)) * (1 / one.n + 1 / other.n))
    middle = (deviation[:, 1:] + deviation[:, :-1]) / 2
    return np.sqrt(2 / np.pi) * (middle * widths(bins, one, other)).sum(axis=1)


def _exact(pair: Pair) -> tuple[Bracket, np.ndarray] | None:
    """Exact distances, where both sets fit; float32 rows of both are held at once."""
    rows, dim = pair.reference.n + pair.target.n, len(pair.reference.moments.mean)
    if 4 * rows * dim > pair.options.exact_bytes:
        return None
    one, other = (np.asarray(side.view.read().x, np.float32) for side in (pair.reference, pair.target))
    ks, wasserstein = column_distances(one, other)
    return Bracket(ks, ks), wasserstein


def _in_deviations(pair: Pair, wasserstein: np.ndarray) -> np.ndarray:
    """Over the standard deviation within the two sets; over that of both together where there is none within."""
    one, other = pair.reference.moments, pair.target.moments
    squares = np.diagonal(one.scatter) + np.diagonal(other.scatter)
    variance = squares / (one.n + other.n - 2)
    between = np.square(one.mean - other.mean) * (one.n * other.n / (one.n + other.n) ** 2)
    sd = np.sqrt(np.where(variance > 1e-18 * between, variance, between))
    return np.divide(wasserstein, sd, out=np.zeros_like(wasserstein), where=sd > 0)


def coarse(one: np.ndarray, other: np.ndarray, bins: int = COARSE) -> tuple[np.ndarray, np.ndarray]:
    """Neighbouring bins of counts ``(d, b)`` joined into at most `bins` of about equal mass in both together."""
    together = one + other
    middle = (np.cumsum(together, axis=1) - together / 2) / np.maximum(together.sum(axis=1, keepdims=True), 1)
    group = np.minimum((middle * bins).astype(np.int64), bins - 1)
    place = (group + bins * np.arange(len(one))[:, None]).ravel()
    shape = (len(one), bins)
    return tuple(np.bincount(place, c.ravel(), minlength=bins * len(one)).reshape(shape) for c in (one, other))


def _divergences(one: Histograms, other: Histograms) -> dict[str, np.ndarray]:
    first, second = coarse(one.counts, other.counts)
    p, q = first / max(one.n, 1), second / max(other.n, 1)
    return {
        "psi": population_stability(jeffreys(first), jeffreys(second)),
        "jensen_shannon": jensen_shannon(p, q),
        "hellinger": hellinger(p, q),
        "total_variation": total_variation(p, q),
    }


def _verdicts(pair: Pair, columns: dict[str, np.ndarray], null: float) -> list[Verdict]:
    n, m = pair.reference.n, pair.target.n
    p, worst = float(columns["ks_adjusted_p"].min()), int(np.argmax(columns["ks"]))
    result, count = int((columns["ks_adjusted_p"] <= LEVEL).sum()), len(columns["ks"])
    scaled = columns["wasserstein_sd"]
    sentence = (
        f"{result:,} of {count:,} features differ in distribution at a false discovery rate of 5 %, feature {worst} "
        f"most (Kolmogorov-Smirnov {columns['ks'][worst]:.3g})"
        if p <= LEVEL
        else "no feature differs in distribution beyond what samples of this size show"
    )
    limit = MEAN * float(np.sqrt(1 / n + 1 / m))
    how = "exact p-values" if method(n, m) == "exact" else "p-values from Kolmogorov's limit"
    means = {name: float(columns[name].mean()) for name in ("ks", "ks_high", "wasserstein_sd", "psi")}
    certain = "exactly known" if (columns["ks"] == columns["ks_high"]).all() else "bracketed from histograms"
    expected = (COARSE - 1) * (1 / n + 1 / m)
    return [
        Verdict(
            "ks_mean",
            means["ks"],
            f"the distributions of a feature part by {means['ks']:.3g} on average, {certain}; those of two samples of "
            f"one population by about {limit:.2g}"
            if means["ks"] > limit
            else f"no difference beyond what two samples of one population show ({limit:.2g}), {certain}",
            effect=max(0.0, means["ks"] - limit),
            null=limit,
            low=means["ks"],
            high=means["ks_high"],
            n=n + m,
        ),
        Verdict(
            "ks_max",
            float(columns["ks"][worst]),
            f"{sentence}; {how}",
            float(columns["ks"][worst]),
            float(columns["ks_high"].max()),
            p,
            result / count,
            n=n + m,
        ),
        Verdict(
            "wasserstein_mean",
            means["wasserstein_sd"],
            f"to turn one set's feature into the other's, values move by {means['wasserstein_sd']:.3g} standard "
            f"deviations on average, of feature {int(np.argmax(scaled))} by {scaled.max():.3g}; between two samples of "
            f"one population by {null:.2g}"
            if means["wasserstein_sd"] > null
            else f"no difference beyond what two samples of one population show ({null:.2g} standard deviations)",
            effect=max(0.0, means["wasserstein_sd"] - null),
            null=null,
            n=n + m,
        ),
        Verdict(
            "psi_mean",
            means["psi"],
            f"the population stability index is {means['psi']:.3g} on average over the features ({COARSE} bins); that "
            f"of two samples of one population about {expected:.2g}"
            if means["psi"] > expected
            else f"no difference beyond what two samples of one population show ({expected:.2g} in {COARSE} bins)",
            effect=max(0.0, means["psi"] - expected),
            null=expected,
            n=n + m,
        ),
    ]

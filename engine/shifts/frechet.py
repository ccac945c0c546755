"""Fréchet distance between the Gaussians fitted to two sets, beside what samples of their sizes give by chance.

The distance is biased upwards by the size of the samples, often by more than two sets differ. So it comes with the
value to expect of two samples of one population, with the difference of both, and with the intercept of a regression
on ``1/n``. Its test permutes rows between the sets: exact for any law of the features, and for fewer rows than
features.

References
----------
Dowson and Landau (1982), "The Fréchet distance between multivariate normal distributions". Chong and Forsyth (2020),
"Effectively unbiased FID and inception score and where to find them".
"""

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.special import ndtri

from gapscope.blocks.formats import percent
from gapscope.core.chunk import Chunk
from gapscope.core.random import stream
from gapscope.inference import Verdict
from gapscope.shifts.battery import Findings, Pair, ReferenceSample
from gapscope.store import View
from gapscope.stream import fold
from gapscope.summaries import Moments
from gapscope.summaries.root import root_of

Array = np.ndarray
# Rows of each set that are permuted; twice the features where there are more of those.
PERMUTED_ROWS = 2000
# Permutations whose Fréchet distance is computed exactly, for small sets: three eigendecompositions each.
SPLITS = 8
INFINITY_ROWS = 20_000
INFINITY_SIZES = 5
LEVEL = 0.05
# Variances below this share of the largest count as it, in the weights of the permuted statistic.
FLOOR = 1e-4


class Terms(NamedTuple):
    """A squared Fréchet distance, in three parts that are never negative.

    Attributes
    ----------
    mean
        Of the means.
    trace
        Of the spectra: what would remain of the covariances' distance if their axes were the same.
    rotation
        Of the axes: what the covariances' distance loses by aligning them.
    """

    mean: float
    trace: float
    rotation: float

    @property
    def total(self) -> float:
        """The squared distance."""
        return sum(self)


class Chance(NamedTuple):
    """What permuting rows between the sets says.

    Attributes
    ----------
    expected
        Squared distance of two samples of one population of these sizes.
    error
        Its standard deviation.
    p
        Share of permutations that part the permuted rows at least as far.
    """

    expected: float
    error: float
    p: float


@dataclass(frozen=True)
class FrechetDistance:
    """The member of `SHIFTS`; it needs only the shared moments, and some of the first rows again.

    Costs about ``20 d³`` flops for the distance, ``r d²`` for each of the permutations of r rows, and, for the
    intercept, moments of at most `INFINITY_ROWS` rows of each set.
    """

    needs_rows: ClassVar[bool] = True

    def state_bytes(self, dim: int) -> int:
        """See `Statistic`."""
        return 0

    def keeps(self, sample: ReferenceSample) -> None:
        """None but the moments."""

    def compares(self, pair: Pair) -> Findings:
        """The distance, its three terms, the corrected distance and the intercept at infinitely many rows."""
        one, other = pair.reference.moments, pair.target.moments
        n = one.n + other.n
        if min(one.n, other.n) < 2:
            sentence = f"A covariance needs two rows, there are {one.n} and {other.n}: no Fréchet distance."
            return Findings([Verdict("frechet", float("nan"), sentence, n=n)])
        terms = frechet(one, other)
        chance, error = _by_chance(pair)
        spread = float(np.trace(one.merge(other).covariance()))
        corrected = Corrected(terms.total - chance.expected, error, spread)
        result = [_whole(terms, corrected, chance, n, _permuted_rows(pair)), _without_bias(corrected, chance.p, n)]
        return Findings([*result, *_parts(terms, n), *_at_infinity(pair)])


FRECHET = FrechetDistance()


class Corrected(NamedTuple):
    """The distance without its bias, its standard error (None where unknown), and the features' total variance."""

    value: float
    error: float | None
    spread: float

    @property
    def effect(self) -> float:
        """The distance in standard deviations of the features."""
        return float(np.sqrt(max(self.value, 0.0) / self.spread)) if self.spread > 0 else 0.0

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """95 % interval, cut off at 0."""
        if self.error is None:
            return None, None
        reach = float(ndtri(1 - LEVEL / 2)) * self.error
        return max(self.value - reach, 0.0), max(self.value + reach, 0.0)


def frechet(one: Moments, other: Moments) -> Terms:
    """Squared Fréchet distance of the Gaussians with these moments, in squared units of the features.

    ``tr((A B)^(1/2))`` comes from ``L' B L`` with ``A = L L'``, which is symmetric: its eigenvalues cannot come out
    complex, as those of a general matrix root do. Costs the eigenvalues of three ``(d, d)``, of less where A has less
    rank, and two products.
    """
    return squared_frechet(one.mean, one.covariance(), other.mean, other.covariance())


def squared_frechet(mean: Array, covariance: Array, other_mean: Array, other_covariance: Array) -> Terms:
    """`frechet` of means ``(d,)`` and covariances ``(d, d)``."""
    between = mean - other_mean
    scales, other_scales = (_roots(np.linalg.eigvalsh(one)) for one in (covariance, other_covariance))
    root = root_of(covariance)
    common = _roots(np.linalg.eigvalsh(root.T @ other_covariance @ root)).sum()
    apart = scales - other_scales
    rotation = 2 * (float(scales @ other_scales) - float(common))
    return Terms(float(between @ between), float(apart @ apart), max(rotation, 0.0))


def _roots(values: Array) -> Array:
    return np.sqrt(np.maximum(values, 0.0))


class _Bend(NamedTuple):
    """The squared distance to second order near the null, as a quadratic form in the pooled axes."""

    axes: Array
    weights: Array

    @classmethod
    def of(cls, moments: Moments) -> "_Bend":
        values, axes = np.linalg.eigh(moments.covariance())
        values = np.maximum(values, max(FLOOR * values[-1], np.finfo(np.float32).tiny))
        return cls(axes, (0.5 / (values[:, None] + values)).astype(np.float32))

    def between(self, delta: Array, change: Array) -> float:
        return float(delta @ delta) + float(np.vdot(change, change * self.weights))


def permuted(x: Array, n: int, moments: Moments, replicates: int, rng: np.random.Generator) -> tuple[float, Array]:
    """The second-order distance between the first `n` of the rows ``x : (n + m, d)`` and the rest, and that of
    ``(replicates,)`` random divisions of the rows into as many.

    `moments` are of both sets together and give the axes and weights, which no permutation changes.
    """
    unit = _unit(moments)
    moments = Moments(moments.n, moments.mean / unit, moments.scatter / unit**2)
    bend = _Bend.of(moments)
    z = ((x / unit - moments.mean) @ bend.axes).astype(np.float32)
    rows = len(z)
    m = rows - n
    observed = np.arange(n) if n <= m else np.arange(n, rows)
    few = len(observed)
    total, scatter = z.sum(axis=0) / (rows - few), z.T @ z / np.float32(rows - few)
    share = np.float32(1 / n + 1 / m)

    def apart(chosen: Array) -> float:
        part = z[chosen]
        return bend.between(part.sum(axis=0) * share - total, (part.T @ part) * share - scatter)

    null = [apart(rng.choice(rows, few, replace=False)) for _ in range(replicates)]
    return apart(observed) * unit**2, np.array(null) * unit**2


def _unit(moments: Moments) -> float:
    """A power of two near the spread of the features, in which float32 neither overflows nor underflows."""
    variance = float(np.trace(moments.scatter)) / max(moments.n * len(moments.mean), 1)
    return 2.0 ** round(np.log2(variance) / 2) if variance > 0 else 1.0


def _permuted_rows(pair: Pair) -> tuple[int, int]:
    most = max(PERMUTED_ROWS, 2 * pair.sample.dim)
    return min(pair.reference.n, most), min(pair.target.n, most)


def _first(view: View, rows: int) -> Array:
    return View(view.store, view.start, view.start + rows).read().x


def _by_chance(pair: Pair) -> tuple[Chance, float | None]:
    """What chance gives, and the standard error of the distance where there are more rows than features."""
    one, other = pair.reference.moments, pair.target.moments
    n, m = _permuted_rows(pair)
    x, y = _first(pair.reference.view, n), _first(pair.target.view, m)
    both = np.concatenate([x, y])
    rng = stream(pair.options.seed, "frechet", "permutations")
    observed, null = permuted(both, n, one.merge(other), pair.options.replicates, rng)
    p = (1 + int((null >= observed).sum())) / (1 + len(null))
    scale = (1 / one.n + 1 / other.n) / (1 / n + 1 / m)
    expected = _split(both, n, rng) if (n, m) == (one.n, other.n) else float(null.mean()) * scale
    chance = Chance(expected, float(null.std()) * scale, p)
    if min(one.n, other.n) <= pair.sample.dim:
        return chance, None
    first_order = _influence(x, one, other) / one.n + _influence(y, other, one) / other.n
    return chance, float(np.sqrt(first_order + chance.error**2))


def _split(both: Array, n: int, rng: np.random.Generator) -> float:
    """Mean distance of random divisions of all rows into `n` and the rest."""
    orders = [rng.permutation(len(both)) for _ in range(SPLITS)]
    return float(np.mean([frechet(Moments.of(both[i[:n]]), Moments.of(both[i[n:]])).total for i in orders]))


def _influence(x: Array, one: Moments, other: Moments) -> float:
    """Variance of what a row ``x : (n, d)`` of one set contributes to the distance, to first order.

    The distance's derivative by the covariance is ``I - T``, T being the linear map that carries the one Gaussian to
    the other.
    """
    values, axes = np.linalg.eigh(one.covariance())
    scales = _roots(values)
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 1e-6 * scales[-1])
    turned = (scales[:, None] * (axes.T @ other.covariance() @ axes)) * scales
    inner, inner_axes = np.linalg.eigh(turned)
    carried = (inverse[:, None] * ((inner_axes * _roots(inner)) @ inner_axes.T)) * inverse
    centred = (x - one.mean) @ axes
    bent = np.einsum("nd,nd->n", centred @ (np.eye(len(values)) - carried), centred)
    return float(np.var(bent + 2 * centred @ (axes.T @ (one.mean - other.mean))))


def _whole(terms: Terms, corrected: Corrected, chance: Chance, n: int, rows: tuple[int, int]) -> Verdict:
    if chance.p >= LEVEL:
        sentence = "Means and covariances show no difference beyond what samples of this size show"
    else:
        sentence = f"Means and covariances differ: the sets lie {corrected.effect:.3g} standard deviations apart"
    sentence = (
        f"{sentence} (squared Fréchet distance {terms.total:.4g}, by chance {chance.expected:.4g}; p {chance.p:.2g} by "
        f"permuting {rows[0]:,} and {rows[1]:,} rows)."
    )
    return Verdict("frechet", terms.total, sentence, p=chance.p, effect=corrected.effect, null=chance.expected, n=n)


def _without_bias(corrected: Corrected, p: float, n: int) -> Verdict:
    low, high = corrected.interval
    why = "" if corrected.error is not None else "; without an interval, for there are not more rows than features"
    sentence = f"Without what chance adds, the squared Fréchet distance is {corrected.value:.4g}{why}."
    return Verdict("frechet_corrected", corrected.value, sentence, low, high, p, corrected.effect, 0.0, n)


def _parts(terms: Terms, n: int) -> list[Verdict]:
    meanings = {"mean": "the means", "trace": "the size of the spread", "rotation": "the directions of the spread"}
    total = terms.total or 1.0
    return [
        Verdict(
            f"frechet_{name}", value, f"{percent(value / total)} of the squared Fréchet distance is in {what}.", n=n
        )
        for (name, what), value in zip(meanings.items(), terms, strict=True)
    ]


def infinity_sizes(n: int, m: int, dim: int) -> list[int]:
    """Numbers of rows, of each set alike, whose distances lie on a line over ``1/n``; none where that is too few."""
    most = min(n, m, INFINITY_ROWS)
    sizes = [most // k for k in range(INFINITY_SIZES, 0, -1)]
    return sizes if sizes[0] > dim else []


def _at_infinity(pair: Pair) -> list[Verdict]:
    sizes = infinity_sizes(pair.reference.n, pair.target.n, pair.sample.dim)
    if not sizes:
        return []
    sides = zip(_prefixes(pair, pair.reference.view, sizes), _prefixes(pair, pair.target.view, sizes), strict=True)
    distances = [frechet(one, other).total for one, other in sides]
    value = float(np.polyfit(1 / np.array(sizes), distances, 1)[1])
    shown = ", ".join(f"{size:,}" for size in sizes)
    sentence = (
        f"The squared Fréchet distance extrapolates to {value:.4g} at infinitely many rows (from {shown} of each)."
    )
    return [Verdict("frechet_infinity", value, sentence, null=0.0, n=2 * sizes[-1])]


def _moments(chunk: Chunk) -> Moments:
    return Moments.of(chunk.x)


def _prefixes(pair: Pair, view: View, sizes: list[int]) -> list[Moments]:
    """Moments of the first rows, for each number of rows."""
    runs = [View(view.store, view.start + low, view.start + high) for low, high in pairwise([0, *sizes])]
    result = [fold(run, _moments, pair.workers, progress=pair.progress, description="frechet infinity") for run in runs]
    return list(accumulate(result, Moments.merge))

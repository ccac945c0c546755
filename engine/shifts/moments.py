"""Shift of means and variances: of each feature, of all together, and of each class.

A feature's difference of means is in units of its standard deviation within the sets; a class's, in units of the
standard deviation within classes. Squared lengths are corrected for what sampling alone adds to them, so that a value
does not depend on the number of rows; the test is of the uncorrected length against its distribution without a shift,
a weighted sum of chi-squares.

References
----------
Welch (1947): unequal variances. Layard (1973), "Robust large-sample tests for homogeneity of variances": the kurtosis
in the test of variances. Bai and Saranadasa (1996): the test of all means. Hotelling (1931).
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc, gammaln, stdtr

from gapscope.core.chunk import Chunk
from gapscope.inference import Verdict, adjusted
from gapscope.shifts import exchanges
from gapscope.shifts.battery import Findings, Pair, ReferenceSample, Side
from gapscope.shifts.chi_square import exceeds, squared_trace
from gapscope.summaries import ClassMoments

LEVEL, NORMAL = 0.05, 1.959963984540054
# Smaller deviations, as a share of the mean, are rounding.
CONSTANT = 1e-9
# Degrees of freedom from which on a class's own variance is taken rather than that of all classes.
OWN_VARIANCE = 10
# A kurtosis from n normal rows is as sure as a variance with n / 3 degrees of freedom: its own error is sqrt(24 / n).
KURTOSIS_ROWS = 3
# Rows of a class and set, at most, that say along how many directions they lie.
CLASS_ROWS = 500
# Rows whose powers are taken at a time: they stay in a processor's cache.
BLOCK_ROWS = 64


class Powers(NamedTuple):
    """Sums of the first four powers of each feature around a fixed origin, ``(4, d)``; those of row sets add up.

    The origin and the unit come from the reference sample, so that the powers are small numbers and centring them
    afterwards loses nothing that a kurtosis would miss.
    """

    n: int
    sums: np.ndarray

    @classmethod
    def of(cls, chunk: Chunk, origin: np.ndarray, unit: np.ndarray) -> "Powers":
        """Powers of the rows of a chunk; 7 flops for each number."""
        sums = np.zeros((4, chunk.x.shape[1]))
        for start in range(0, len(chunk.x), BLOCK_ROWS):
            z = (np.asarray(chunk.x[start : start + BLOCK_ROWS], np.float64) - origin) / unit
            square = z * z
            sums[0] += z.sum(axis=0)
            sums[1] += square.sum(axis=0)
            sums[2] += np.einsum("nd,nd->d", square, z)
            sums[3] += np.einsum("nd,nd->d", square, square)
        return cls(len(chunk.x), sums)

    def merge(self, other: "Powers") -> "Powers":
        """Powers of both row sets together."""
        return Powers(self.n + other.n, self.sums + other.sums)

    @property
    def kurtosis(self) -> np.ndarray:
        """Fourth central moment over the squared variance, ``(d,)``; 1 for constant features, the least there is."""
        first, second, third, fourth = self.sums / self.n
        variance = second - first**2
        central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
        moves = variance > CONSTANT * second
        return np.maximum(1.0, np.divide(central, variance**2, out=np.ones_like(first), where=moves))


class Scaled(NamedTuple):
    """Two sets in units of their spread: differences of means ``(d,)``, which features vary, their correlation."""

    difference: np.ndarray
    sd: np.ndarray
    varies: np.ndarray
    correlation: np.ndarray


@dataclass(frozen=True)
class MomentShift:
    """Means and variances."""

    needs_rows: bool = False

    def state_bytes(self, dim: int) -> int:
        """See `Statistic`."""
        return 8 * 4 * dim

    def keeps(self, sample: ReferenceSample) -> partial:
        """Four powers of each feature."""
        rows = sample.pooled.astype(np.float64)
        unit = rows.std(axis=0)
        return partial(Powers.of, origin=rows.mean(axis=0), unit=np.where(unit > 0, unit, 1.0))

    def compares(self, pair: Pair) -> Findings:
        """Verdicts on means, on their Mahalanobis distance, on variances and on the means of classes."""
        scaled = _scaled(pair)
        columns = _columns(pair, scaled)
        verdicts = [_means(pair, scaled, columns), _mahalanobis(pair, scaled), _variances(pair, columns)]
        by_class, result = _classes(pair)
        return Findings([*verdicts, *result], columns, by_class)


MOMENTS = MomentShift()


def _scaled(pair: Pair) -> Scaled:
    one, other = pair.reference.moments, pair.target.moments
    covariance = (one.scatter + other.scatter) / (one.n + other.n - 2)
    sd = np.sqrt(np.diagonal(covariance))
    varies = sd > CONSTANT * np.maximum(np.abs(one.mean), np.abs(other.mean))
    difference = other.mean - one.mean
    unit = np.where(varies, sd, 1.0)
    correlation = (covariance / np.outer(unit, unit))[np.ix_(varies, varies)]
    # Constant within both sets but not the same: in units of the spread over both together.
    share = one.n / (one.n + other.n)
    apart = ~varies & (np.abs(difference) > CONSTANT * np.maximum(np.abs(one.mean), np.abs(other.mean)))
    lonely = np.where(apart, np.sign(difference) / np.sqrt(share * (1 - share)), 0.0)
    return Scaled(np.where(varies, difference / unit, lonely), np.where(varies, sd, 0.0), varies, correlation)


def _columns(pair: Pair, scaled: Scaled) -> dict[str, np.ndarray]:
    """Effects and tests of each feature."""
    one, other = pair.reference, pair.target
    p_mean = _welch(one, other, scaled)
    ratio, error = _log_variance_ratio(one, other)
    z = np.abs(np.where(np.isfinite(ratio), ratio, 0.0) / error)
    freedom = (one.n + other.n) / KURTOSIS_ROWS
    p_variance = np.where(np.isinf(ratio), _parting(one.n, other.n), 2 * stdtr(freedom, -z))
    correct = partial(adjusted, method=pair.options.correction)
    return {
        "mean_reference": one.moments.mean,
        "mean_target": other.moments.mean,
        "standardised_difference": scaled.difference,
        "mean_p": p_mean,
        "mean_adjusted_p": correct(p_mean),
        "log_variance_ratio": np.where(np.isnan(ratio), 0.0, ratio),
        "log_variance_ratio_error": error,
        "variance_p": p_variance,
        "variance_adjusted_p": correct(p_variance),
    }


def _welch(one: Side, other: Side, scaled: Scaled) -> np.ndarray:
    """Two-sided p-values ``(d,)`` of equal means. Where both sets are constant and differ, that of the one division of
    the rows among all that parts them so.
    """
    parts = np.array([side.moments.variance() / side.n for side in (one, other)])
    total = parts.sum(axis=0)
    works = scaled.varies & (total > 0)
    safe = np.where(works, total, 1.0)
    spread = (parts**2 / np.array([[one.n - 1], [other.n - 1]])).sum(axis=0)
    freedom = np.where(works, safe**2 / np.where(works, spread, 1.0), 1.0)
    t = np.abs(other.moments.mean - one.moments.mean) / np.sqrt(safe)
    parting = _parting(one.n, other.n)
    return np.where(works, 2 * stdtr(freedom, -t), np.where(scaled.difference != 0, parting, 1.0))


def _parting(n: int, m: int) -> float:
    """Probability of one given division of n + m rows into n and m."""
    return float(np.exp(gammaln(n + 1) + gammaln(m + 1) - gammaln(n + m + 1)))


def _log_variance_ratio(one: Side, other: Side) -> tuple[np.ndarray, np.ndarray]:
    """Log of target over reference variance and its standard error, ``(d,)``; infinite where one alone is constant,
    NaN where both are.
    """
    variances = []
    for side in (one, other):
        variance = side.moments.variance()
        variances.append(np.where(variance > (CONSTANT * side.moments.mean) ** 2, variance, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(variances[1]) - np.log(variances[0])
    kurtosis = (one.n * one.kept.kurtosis + other.n * other.kept.kurtosis) / (one.n + other.n)
    # Of a kurtosis of 1 (two equally frequent values) the first-order error is 0; the second order keeps it above.
    error = (kurtosis - 1) * (1 / one.n + 1 / other.n) + 2 * (1 / one.n**2 + 1 / other.n**2)
    return ratio, np.sqrt(error)


def _means(pair: Pair, scaled: Scaled, columns: dict[str, np.ndarray]) -> Verdict:
    """How long the difference of means is, each feature in units of its standard deviation."""
    n, m = pair.reference.n, pair.target.n
    unit, count, freedom = 1 / n + 1 / m, max(len(scaled.difference), 1), n + m - 2
    inner = scaled.difference[scaled.varies]
    length = float(scaled.difference @ scaled.difference)
    inflated = freedom / (freedom - 2) if freedom > 2 else 1.0
    mean, square = unit * inner.size * inflated, squared_trace(scaled.correlation, freedom)
    variance = 2 * (unit * inflated) ** 2 * square
    p = float(exceeds(inner @ inner, mean, variance)) if inner @ inner == length else float(columns["mean_p"].min())
    p = float(exchanges.judged(p, exchanges.mean_p(pair))) if exchanges.is_small(pair) else p
    spread = np.sqrt(variance + 4 * unit * float(inner @ scaled.correlation @ inner))
    low, value, high = (float(np.sqrt(max(0.0, (length - mean + z * spread) / count))) for z in (-NORMAL, 0.0, NORMAL))
    result, worst = columns["mean_adjusted_p"] <= LEVEL, int(np.argmax(np.abs(scaled.difference)))
    sentence = (
        f"the means differ by {value:.3g} standard deviations a feature, more than sampling explains; "
        f"{result.sum():,} of {count:,} features differ at a false discovery rate of 5 %, feature {worst} most "
        f"({scaled.difference[worst]:+.3g})"
        if p <= LEVEL
        else "no difference of the means beyond what samples of this size show"
    )
    return Verdict("mean_shift", value, sentence, low, high, p, value, n=n + m)


def _mahalanobis(pair: Pair, scaled: Scaled) -> Verdict:
    """The difference of means in units of the spread along its own direction: Hotelling's test."""
    n, m = pair.reference.n, pair.target.n
    unit, freedom = 1 / n + 1 / m, n + m - 2
    values, vectors = np.linalg.eigh(scaled.correlation)
    kept = values > 1e-7 * values.max(initial=0.0)
    rank = int(kept.sum())
    name = "mahalanobis_distance"
    if freedom - rank <= 1 or rank == 0:
        why = f"{n + m:,} rows are too few for {rank:,} features" if rank else "no feature varies"
        return Verdict(name, float("nan"), f"not measured: {why}", n=n + m)
    along = vectors[:, kept].T @ scaled.difference[scaled.varies]
    raw = float((along**2 / values[kept]).sum())
    p = float(fdtrc(rank, freedom - rank + 1, raw / unit * (freedom - rank + 1) / (freedom * rank)))
    if exchanges.is_small(pair, exchanges.FEW):
        p = float(exchanges.judged(p, exchanges.mahalanobis_p(pair)))
    true = raw * (freedom - rank - 1) / freedom - rank * unit
    spread = np.sqrt(2 * rank * unit**2 + 4 * unit * max(true, 0.0) + 2 * max(true, 0.0) ** 2 / freedom)
    low, value, high = (float(np.sqrt(max(0.0, true + z * spread))) for z in (-NORMAL, 0.0, NORMAL))
    sentence = (
        f"along the direction that parts them best, the two means lie {value:.3g} standard deviations apart"
        if p <= LEVEL
        else "no linear direction parts the two means beyond what samples of this size show"
    )
    return Verdict(name, value, sentence, low, high, p, value, n=n + m)


def _variances(pair: Pair, columns: dict[str, np.ndarray]) -> Verdict:
    """How much the spread of the features differs."""
    ratio, error = columns["log_variance_ratio"], columns["log_variance_ratio_error"]
    finite = np.isfinite(ratio)
    excess = np.mean(ratio[finite] ** 2 - error[finite] ** 2) if finite.any() else 0.0
    value = float(np.sqrt(max(0.0, excess)))
    adjusted_p = columns["variance_adjusted_p"]
    p, worst = float(adjusted_p.min(initial=1.0)), int(np.argmin(adjusted_p))
    p = float(exchanges.judged(p, exchanges.variance_p(pair))) if exchanges.is_small(pair) else p
    result = adjusted_p <= LEVEL
    change = f"{np.exp(ratio[worst]):.3g} times" if np.isfinite(ratio[worst]) else "constant in one set"
    sentence = (
        f"{result.sum():,} of {result.size:,} features change their variance at a false discovery rate of 5 %, feature "
        f"{worst} most surely ({change})"
        if p <= LEVEL
        else "no difference of the variances beyond what samples of this size show"
    )
    return Verdict("variance_shift", value, sentence, p=p, effect=value, n=pair.reference.n + pair.target.n)


def _classes(pair: Pair) -> tuple[dict[str, np.ndarray], list[Verdict]]:
    """How far the mean of each class moved, in units of the standard deviation within classes.

    The count of a class enters twice: what its few rows add to the squared length is subtracted, and the null
    distribution is that of a class with so many rows: F, because the spread is an estimate too, with the degrees of
    freedom that Satterthwaite's rule gives. A class without rows in one of the sets has NaN.
    """
    one, other = pair.reference.classes, pair.target.classes
    both = (one.count > 0) & (other.count > 0)
    freedom = _freedom(one) + _freedom(other)
    if not both.any() or freedom < 2:
        return {}, []
    within = (one.squares.sum(axis=0) + other.squares.sum(axis=0)) / freedom
    size = np.maximum(np.abs(one.mean).max(axis=0), np.abs(other.mean).max(axis=0))
    varies = within > (CONSTANT * size) ** 2
    if not varies.any():
        return {}, []
    weight = np.where(varies, 1 / np.where(varies, within, 1.0), 0.0)
    length = np.square(other.mean - one.mean) @ weight
    unit = 1 / np.maximum(one.count, 1) + 1 / np.maximum(other.count, 1)
    own = np.maximum(one.count - 1, 0) + np.maximum(other.count - 1, 0)
    spread = (one.squares + other.squares) @ weight / np.maximum(own, 1)
    trace = np.where(own >= OWN_VARIANCE, spread, varies.sum())
    directions = 1 / _concentrations(pair, varies, within, freedom)
    mean = unit * trace
    judged_by = np.where(own >= OWN_VARIANCE, own, freedom) * directions
    p = np.where(both, fdtrc(directions, judged_by, length / mean), np.nan)
    p = exchanges.judged(p, exchanges.class_p(pair)) if exchanges.is_small(pair) else p
    corrected = np.full_like(p, np.nan)
    corrected[both] = adjusted(p[both], pair.options.correction)
    value = np.where(both, np.sqrt(np.maximum(0.0, (length - mean) / varies.sum())), np.nan)
    columns = {
        "rows_reference": one.count,
        "rows_target": other.count,
        "class_mean_shift": value,
        "class_mean_p": p,
        "class_mean_adjusted_p": corrected,
    }
    return columns, _class_verdicts(pair, columns, both)


def _freedom(classes: ClassMoments) -> int:
    return int(np.maximum(classes.count - 1, 0).sum())


def _concentration(pair: Pair, varies: np.ndarray, within: np.ndarray, freedom: int) -> float:
    """``tr(R^2) / tr(R)^2`` of the correlation within classes: 1/d for independent features, 1 for a single direction.

    Where labels are missing, the labelled rows stand for the others.
    """
    total = sum(_within_scatter(side) for side in (pair.reference, pair.target))
    sd = np.sqrt(within[varies])
    correlation = total[np.ix_(varies, varies)] / freedom / np.outer(sd, sd)
    trace = max(float(np.trace(correlation)), 1e-12)
    return min(1.0, squared_trace(correlation, freedom) / trace**2)


def _concentrations(pair: Pair, varies: np.ndarray, within: np.ndarray, freedom: int) -> np.ndarray:
    """The concentration of each class, ``(C,)``, from its rows in the sample.

    Classes whose rows lie along fewer directions than those of all classes together have means that vary more. A class
    with few rows in the sample has the mean of the others, and none has less than what all have together.
    """
    classes, sd = len(pair.reference.classes.count), np.sqrt(within[varies])
    own, known = np.zeros(classes), np.zeros(classes)
    for index in range(classes):
        rows = [x[y == index][:CLASS_ROWS][:, varies] / sd for x, y in (pair.reference.sample, pair.target.sample)]
        centred = np.concatenate([x - x.mean(axis=0, dtype=np.float64) for x in rows if len(x) > 1] or [rows[0][:0]])
        known[index] = sum(len(x) - 1 for x in rows if len(x) > 1)
        if known[index] > 1:
            small = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
            trace = max(float(np.trace(small)) / known[index], 1e-12)
            own[index] = squared_trace(small / known[index], known[index]) / trace**2
    together = _concentration(pair, varies, within, freedom)
    shared = max(together, known @ own / known.sum()) if known.any() else together
    return np.clip(np.where(known >= OWN_VARIANCE, own, shared), shared, 1.0)


def _within_scatter(side: Side) -> np.ndarray:
    """Scatter of the labelled rows around their class means, ``(d, d)``."""
    classes = side.classes
    labelled = int(classes.count.sum())
    if labelled == 0:
        return np.zeros_like(side.moments.scatter)
    mean = classes.count @ classes.mean / labelled
    centred = (classes.mean - mean) * np.sqrt(classes.count)[:, None]
    return side.moments.scatter * (labelled / side.n) - centred.T @ centred


def _class_verdicts(pair: Pair, columns: dict[str, np.ndarray], both: np.ndarray) -> list[Verdict]:
    """One for all classes, named after the one that moved most, and one for each class."""
    names, value = pair.reference.view.store.class_names, columns["class_mean_shift"]
    p, rows = columns["class_mean_adjusted_p"], columns["rows_reference"] + columns["rows_target"]
    sure = np.nan_to_num(p, nan=1.0) <= LEVEL
    worst = int(np.nanargmax(np.where(sure, value, -1.0) if sure.any() else value))
    least, count = float(np.nanmin(p)), int(both.sum())
    sentence = (
        f"{sure.sum():,} of {count:,} classes moved at a false discovery rate of 5 %, {names[worst]} furthest "
        f"({value[worst]:.3g} within-class standard deviations a feature)"
        if sure.any()
        else f"no class of {count:,} moved beyond what its number of rows shows"
    )
    overall = Verdict(
        "class_mean_shift", float(value[worst]), sentence, p=least, effect=float(value[worst]), n=int(rows.sum())
    )
    return [overall, *(_of_class(names[c], value[c], p[c], int(rows[c])) for c in np.flatnonzero(both))]


def _of_class(name: str, value: float, p: float, rows: int) -> Verdict:
    sentence = (
        f"the mean of {name} moved by {value:.3g} within-class standard deviations a feature"
        if p <= LEVEL
        else f"the mean of {name} did not move beyond what {rows:,} rows show"
    )
    return Verdict("class_mean_shift", float(value), sentence, p=float(p), effect=float(value), n=rows, class_name=name)

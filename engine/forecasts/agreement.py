"""Agreement on the line: how often pairs of models agree lies on the same probit line as how often they are right.

The agreement of two models needs no labels; so the line from the reference to the target is known without target
labels, and takes the models' reference accuracies to their target accuracies.

References
----------
Baek et al. (2022), "Agreement-on-the-line: predicting the performance of neural networks under distribution shift".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from gapscope.core.errors import InputError
from gapscope.forecasts.resampled import bounds_of, resampled_means, seeds
from gapscope.inference import probit
from gapscope.predictions import Predictions

BLOCK = 2**22


@dataclass(frozen=True, eq=False)
class AgreementLine:
    """What the agreements of m models on two sets say of their accuracies on the second.

    Attributes
    ----------
    estimates : (m,)
        Accuracy on the target by ALine-S: the line at the reference accuracy. NaN for a reference accuracy of exactly 0
        or 1, which has no place on a probit axis, and where there is no line.
    direct : (m,)
        By ALine-D, which solves for all accuracies at once and uses how far each pair lies from the line; NaN for fewer
        than three models.
    low, high : (m,)
        95 % interval of the estimates over other samples of rows of these sizes; NaN without replicates. It knows
        nothing of models that do not lie on the line.
    direct_low, direct_high : (m,)
        The same for `direct`.
    slope, intercept, r
        ``probit(agreement on the target) = intercept + slope * probit(agreement on the reference)`` over the pairs, by
        least squares, and Pearson's correlation; NaN for fewer than two different pairs.
    accuracy_reference : (m,)
    agreement_reference, agreement_target : (m, m)
        1 on the diagonal; NaN for models of one group.
    pairs
        Pairs on the line; those that agree on all rows or on none have no place there.
    replicates : (b, m)
        The estimates in each replicate of the keyed bootstrap.
    lines : (b, 2)
        Slope and intercept in each replicate.
    """

    estimates: np.ndarray
    direct: np.ndarray
    low: np.ndarray
    high: np.ndarray
    direct_low: np.ndarray
    direct_high: np.ndarray
    slope: float
    intercept: float
    r: float
    accuracy_reference: np.ndarray
    agreement_reference: np.ndarray
    agreement_target: np.ndarray
    pairs: int
    replicates: np.ndarray
    lines: np.ndarray

    def expected(self, accuracy: np.ndarray) -> np.ndarray:
        """Accuracy on the target, by the line, for reference accuracies of any models."""
        return on_the_line(self.slope, self.intercept, accuracy)


Answered = np.ndarray | Sequence[Predictions]


def agreement_on_the_line(
    reference: Answered,
    target: Answered,
    label: np.ndarray | None = None,
    *,
    leave_one_out: bool = False,
    group: np.ndarray | None = None,
    replicates: int = 0,
    seed: int = 0,
    sample_id: tuple[np.ndarray, np.ndarray] | None = None,
) -> AgreementLine:
    """Forecast the target accuracies of m models from their agreements.

    Parameters
    ----------
    reference, target
        Answers ``(m, n)`` and ``(m, n')``, or the predictions of the m models, each for the same rows in the same
        order; rows of the reference without a label are left out. Target labels are never looked at.
    label : (n,)
        Labels of the reference, where it comes as an array.
    leave_one_out
        Whether the line for a model is fitted on the pairs of the others alone (ALine-S; it needs four models).
    group : (m,)
        Models of one group, such as those trained on the same rows, are not compared; each is its own when not given.
    replicates
        Of the bootstrap, for the intervals; costs ``b n m²/2`` multiplications.
    sample_id : (n,), (n',)
        Of the two sets, keys of the bootstrap, where they come as arrays; row numbers when not given.

    Raises
    ------
    InputError
        Fewer than two models, different numbers of them, different rows, or no labelled row.
    """
    first, label, ids = _side(reference, label, sample_id and sample_id[0])
    second, _, target_ids = _side(target, None, sample_id and sample_id[1])
    if label is None:
        raise InputError("agreement on the line needs the labels of the reference; hand over `label`")
    if len(first) < 2 or len(first) != len(second):
        raise InputError(f"agreement needs two or more models on both sets; got {len(first)} and {len(second)}")
    known = np.asarray(label) >= 0
    if not known.any() or not second.shape[1]:
        raise InputError("agreement on the line needs labelled rows in the reference and rows in the target")
    first, label, ids = first[:, known], np.asarray(label)[known], ids[known]
    one, two = seeds(seed)
    pairs = _pairs(np.arange(len(first)) if group is None else np.asarray(group))
    known_shares = _shares(first, pairs, ids, one, replicates, label)
    return _fitted(
        known_shares, _shares(second, pairs, target_ids, two, replicates), pairs, leave_one_out=leave_one_out
    )


def _pairs(group: np.ndarray) -> np.ndarray:
    """The pairs ``(p, 2)`` of models of different groups."""
    first, second = np.triu_indices(len(group), 1)
    apart = group[first] != group[second]
    return np.stack([first[apart], second[apart]], axis=1)


def _side(
    answers: Answered, label: np.ndarray | None, sample_id: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Answers ``(m, n)``, labels and ids of one set."""
    if isinstance(answers, np.ndarray):
        return answers, label, np.arange(answers.shape[1]) if sample_id is None else sample_id
    several = list(answers)
    for other in several[1:]:
        if not np.array_equal(other.sample_id, several[0].sample_id):
            raise InputError(
                f"{other.model} and {several[0].model} predict different rows of {several[0].name}, or the same in "
                "another order; bring them together with `gapscope.predictions.matched`"
            )
    if not several:
        return np.empty((0, 0)), None, np.empty(0, np.int64)
    return np.stack([one.predicted for one in several]), several[0].label, several[0].sample_id


class Shares(NamedTuple):
    """Agreement ``(1 + b, p)`` of the pairs, and accuracies ``(1 + b, m)`` or (1 + b, 0) without labels."""

    agreement: np.ndarray
    accuracy: np.ndarray


def _shares(
    answers: np.ndarray,
    pairs: np.ndarray,
    ids: np.ndarray,
    seed: int,
    replicates: int,
    label: np.ndarray | None = None,
) -> Shares:
    columns = [answers[i] == answers[j] for i, j in pairs]
    columns += [] if label is None else list(answers == label)
    wide = max(1, BLOCK // max(1, answers.shape[1]))
    result = [
        resampled_means(ids, np.stack(columns[at : at + wide], axis=1), seed, replicates)
        for at in range(0, len(columns), wide)
    ]
    return Shares(*np.split(np.concatenate(result, axis=1), [len(pairs)], axis=1))


def _fitted(reference: Shares, target: Shares, pairs: np.ndarray, *, leave_one_out: bool) -> AgreementLine:
    accuracy = reference.accuracy
    models = accuracy.shape[1]
    x, y, z = (placed(shares) for shares in (reference.agreement, target.agreement, accuracy))
    slope, intercept, r = line(x, y)
    estimates = on_the_line(slope[:, None], intercept[:, None], accuracy)
    if leave_one_out:
        for model in range(models):
            others = ~(pairs == model).any(axis=1)
            without = line(x[:, others], y[:, others])
            estimates[:, model] = on_the_line(without[0], without[1], accuracy[:, model])
    direct = _direct(x, y, z, slope, pairs)
    bounds = [_bounds(one[1:]) for one in (estimates, direct)]
    return AgreementLine(
        estimates[0],
        direct[0],
        *bounds[0],
        *bounds[1],
        float(slope[0]),
        float(intercept[0]),
        float(r[0]),
        accuracy[0],
        _square(reference.agreement[0], pairs, models),
        _square(target.agreement[0], pairs, models),
        int((np.isfinite(x[0]) & np.isfinite(y[0])).sum()),
        estimates[1:],
        np.stack([slope[1:], intercept[1:]], axis=1),
    )


def line(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slope, intercept and correlation, each ``(b,)``, of the points in each row of ``x, y : (b, p)``.

    Points that are not finite are left out; NaN where less than two different points are left.
    """
    good = np.isfinite(x) & np.isfinite(y)
    count = np.maximum(good.sum(axis=1, keepdims=True), 1)
    x, y = np.where(good, x, 0.0), np.where(good, y, 0.0)
    mean_x, mean_y = x.sum(axis=1, keepdims=True) / count, y.sum(axis=1, keepdims=True) / count
    dx, dy = (x - mean_x) * good, (y - mean_y) * good
    xx, xy, yy = (dx * dx).sum(axis=1), (dx * dy).sum(axis=1), (dy * dy).sum(axis=1)
    xx, yy = (np.where(one > 1e-20, one, np.nan) for one in (xx, yy))
    slope = xy / xx
    return slope, mean_y[:, 0] - slope * mean_x[:, 0], xy / np.sqrt(xx * yy)


def placed(shares: np.ndarray) -> np.ndarray:
    """Where shares are on a probit axis; NaN for exactly 0 and 1, which have no place there."""
    x = probit(shares)
    return np.where(np.isfinite(x), x, np.nan)


def on_the_line(slope: np.ndarray, intercept: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Target accuracy on a probit line; NaN for accuracies of exactly 0 or 1."""
    return ndtr(intercept + slope * placed(accuracy))


def _direct(x: np.ndarray, y: np.ndarray, z: np.ndarray, slope: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """ALine-D ``(b, m)``: of each pair, the mean probit of its accuracies lies as far from that of its agreement on the
    target as on the reference, times the slope; solved for the target accuracies by least squares.
    """
    result, models = np.full(z.shape, np.nan), z.shape[1]
    means = np.zeros((len(pairs), models))
    means[np.arange(len(pairs))[:, None], pairs] = 0.5
    wanted = y + slope[:, None] * (z @ means.T - x)
    for b in range(len(z)):
        if np.isfinite(z[b]).all():
            good = np.isfinite(wanted[b])
            if np.linalg.matrix_rank(means[good]) == models:
                result[b] = ndtr(np.linalg.lstsq(means[good], wanted[b][good])[0])
    return result


def _bounds(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    each = [bounds_of(column) for column in replicates.T]
    low, high = np.array(each, np.float64).T
    return low, high


def _square(agreement: np.ndarray, pairs: np.ndarray, models: int) -> np.ndarray:
    whole = np.full((models, models), np.nan)
    np.fill_diagonal(whole, 1.0)
    first, second = pairs.T
    whole[first, second] = whole[second, first] = agreement
    return whole

"""The one forecast that is recommended, with an interval that holds the method's own error.

Of each shift that is made from the reference the loss of accuracy is known, and the signs that need no labels: the
losses that the methods expect, and how far confidences, predicted classes and strangeness have moved. The loss is
learnt as a sum of the signs with weights of nought or more, every kind of shift counting alike. How far such a sum errs
is learnt from kinds that it has not seen, each left out in turn, in units of the sampling error and of the largest
sign; the interval holds 92 % of these errors. A target whose signs are larger than those of any made shift cannot be
forecast, nor one whose interval would say next to nothing.

References
----------
Vovk, Gammerman and Shafer (2005), "Algorithmic Learning in a Random World": intervals from errors on known cases.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gapscope.forecasts.forecast import ForecastOptions, forecasts
from gapscope.forecasts.made_shifts import MadeShift
from gapscope.forecasts.scored import Scored

Array = np.ndarray
METHODS = ("atc-ne", "atc-mc", "doc", "aline-s", "gde")
# Share of the errors on unseen kinds that an interval holds; widest interval that still says something; how much
# weights are pulled to nought, as a share of the signs' mean square.
HELD, WIDEST, PULL = 0.92, 0.6, 0.02
FAST = ForecastOptions(seed=0, replicates=0)
LEVELS = np.linspace(0, 1, 101)


class Recommendation(NamedTuple):
    """What is expected of one model on one set.

    Attributes
    ----------
    value, low, high
        Expected accuracy, and the interval that holds the error of the forecast; None where there is none.
    reason
        Why it cannot be forecast; empty where it can.
    shifts, kinds
        How many made shifts it rests on, and of how many kinds.
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str
    shifts: int
    kinds: int


@dataclass(frozen=True, eq=False)
class LearnedErrors:
    """What made shifts teach of the loss of accuracy.

    Attributes
    ----------
    names, weights
        Of the signs.
    farthest
        The largest of each sign among the made shifts.
    low, high
        Where the errors of unseen kinds of shifts end, truth less expected loss, in units of `_unit`.
    shifts, kinds
        How many were made, and of how many kinds.
    """

    names: tuple[str, ...]
    weights: Array
    farthest: Array
    low: float
    high: float
    shifts: int
    kinds: int


def learn(made: Iterable[MadeShift]) -> LearnedErrors | None:
    """What the made shifts teach; None where there are no signs, or fewer than three kinds."""
    kinds, signs, losses, errors = [], [], [], []
    for kind, source, target in made:
        kinds.append(kind)
        signs.append(signs_of(source, target))
        losses.append(float(source.right.mean() - target.right.mean()))
        errors.append(sampling_error(source, target))
    names = tuple(name for name in (signs[0] if signs else ()) if all(name in one for one in signs))
    if not names or len(set(kinds)) < 3:
        return None
    table = np.array([[one[name] for name in names] for one in signs])
    kind, loss = np.array(kinds), np.array(losses)
    ratio = _unseen_errors(kind, table, loss) / _unit(table, np.array(errors))
    each = _each_kind_alike(kind)
    tail = (1 - HELD) / 2
    low, high = (_weighted_quantile(ratio, each, level) for level in (tail, 1 - tail))
    weights = _weights(table, loss, each)
    return LearnedErrors(
        names, weights, np.abs(table).max(axis=0), min(low, 0.0), max(high, 0.0), len(loss), len(set(kinds))
    )


def _each_kind_alike(kind: Array) -> Array:
    """Weights of the shifts, which sum to one over the kinds."""
    _, place, count = np.unique(kind, return_inverse=True, return_counts=True)
    return 1 / count[place] / len(count)


def _weights(table: Array, loss: Array, each: Array) -> Array:
    """Of the signs, nought or more, by least squares with a pull to nought."""
    from scipy.optimize import nnls  # here, because it takes longer to import than `--help` may last

    root = np.sqrt(each)
    pull = np.sqrt(PULL * np.maximum(each @ np.square(table), 1e-12))
    rows = np.vstack([table * root[:, None], np.diag(pull)])
    return nnls(rows, np.concatenate([loss * root, np.zeros(len(pull))]))[0]


def _unseen_errors(kind: Array, table: Array, loss: Array) -> Array:
    """Loss less what is expected of it by the other kinds."""
    errors = np.empty(len(loss))
    for one in np.unique(kind):
        rest, here = kind != one, kind == one
        errors[here] = loss[here] - table[here] @ _weights(table[rest], loss[rest], _each_kind_alike(kind[rest]))
    return errors


def _unit(table: Array, error: Array | float) -> Array:
    """What errors are measured by: the sampling error and the largest sign."""
    return error + np.abs(table).max(axis=-1)


def _weighted_quantile(values: Array, weight: Array, level: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    return float(values[order][min(np.searchsorted(reached, level * reached[-1]), len(values) - 1)])


def recommend(source: Scored, target: Scored, learnt: LearnedErrors | None) -> Recommendation:
    """The forecast for a target without labels, by what was `learnt` of the reference."""
    if learnt is None:
        return Recommendation(None, None, None, "too few labelled rows or signs to make shifts of the reference", 0, 0)
    source, target = source.labelled(), target.blind()
    nothing = Recommendation(None, None, None, "", learnt.shifts, learnt.kinds)
    found = signs_of(source, target)
    if not set(learnt.names) <= set(found):
        return nothing._replace(reason="a method gives no number for it")
    signs = np.array([found[name] for name in learnt.names])
    beyond = [name for name, one, most in zip(learnt.names, signs, learnt.farthest, strict=True) if abs(one) > most]
    if beyond:
        return nothing._replace(reason=f"it is further from the reference than every shift made of this ({beyond[0]})")
    accuracy = float(source.right.mean())
    expected = float(signs @ learnt.weights)
    unit = float(_unit(signs, sampling_error(source, target)))
    value, low, high = np.clip(accuracy - expected - unit * np.array([0, learnt.high, learnt.low]), 0, 1).tolist()
    if high - low > WIDEST:
        return nothing._replace(reason=f"the interval would reach from {100 * low:.1f} % to {100 * high:.1f} %")
    return nothing._replace(value=value, low=low, high=high)


def sampling_error(source: Scored, target: Scored) -> float:
    """Standard error of the difference of two accuracies near that of the source; never nought."""
    share = np.clip(source.right.mean(), 0.02, 0.98)
    return float(np.sqrt(share * (1 - share) * (1 / source.n + 1 / target.n)))


def signs_of(source: Scored, target: Scored) -> dict[str, float]:
    """What can be seen of the target without its labels, as shares: by what name, and how much."""
    accuracy = float(source.right.mean())
    made = forecasts(source, target, METHODS, FAST).made
    signs = {f"loss by {one.name}": accuracy - float(one.value) for one in made if np.isfinite(one.value)}
    signs["predicted classes"] = _other_predictions(source, target)
    if source.confidence is not None and target.confidence is not None:
        signs["confidences"] = _apart(source.confidence, target.confidence)
    if source.strangeness is not None and target.strangeness is not None:
        signs["strangeness"] = _stranger(source.strangeness, target.strangeness)
    return signs


def _apart(one: Array, other: Array) -> float:
    """The mean distance of the quantiles."""
    return float(np.abs(np.quantile(one, LEVELS) - np.quantile(other, LEVELS)).mean())


def _other_predictions(source: Scored, target: Scored) -> float:
    """Half the summed difference of the shares of predicted classes, less what samples of these sizes differ by."""
    shares = [np.bincount(one.predicted, minlength=one.classes) / one.n for one in (source, target)]
    mean = (shares[0] * source.n + shares[1] * target.n) / (source.n + target.n)
    chance = np.sqrt(2 / np.pi * mean * (1 - mean) * (1 / source.n + 1 / target.n)).sum() / 2
    return float(max(np.abs(shares[0] - shares[1]).sum() / 2 - chance, 0.0))


def _stranger(one: Array, other: Array) -> float:
    """The largest difference between the shares of rows that are at least so strange; NaN is left out."""
    one, other = (side[np.isfinite(side)] for side in (one, other))
    if not len(one) or not len(other):
        return 0.0
    levels = np.quantile(one, LEVELS)
    above = [1 - np.searchsorted(np.sort(side), levels) / len(side) for side in (one, other)]
    return float(max((above[1] - above[0]).max(), 0.0))

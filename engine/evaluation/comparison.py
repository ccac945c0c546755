"""Whether models differ: on the same images, on other images, and from the line that models lie on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.inference import (
    ProbitLine,
    adjusted,
    interval_of,
    mcnemar,
    off_line,
    paired_interval_of_counts,
    probit,
    resampled_sums,
    theil_sen,
)
from gapscope.inference.bootstrap import REPLICATES
from gapscope.predictions import Predictions, matched
from gapscope.predictions.files import read_table, suffix_of


@dataclass(frozen=True)
class Difference:
    """How much more accurate `one` is than `other`, as a difference of shares.

    Attributes
    ----------
    low, high
        95 % interval, from the keyed Poisson bootstrap.
    p, adjusted_p
        Of the exact McNemar test for the same images, of the test of two proportions for other images; corrected by
        Holm for the number of comparisons made together.
    only_one, only_other
        Images that one of the two alone gets right; 0 for other images.
    n
        Images, of the smaller set if there are two.
    """

    one: str
    other: str
    value: float
    low: float
    high: float
    p: float
    adjusted_p: float
    only_one: int
    only_other: int
    n: int


@dataclass(frozen=True)
class Accuracies:
    """Accuracies ``value : (m,)`` of m models on the same n images, and their ``replicates : (b, m)``."""

    value: np.ndarray
    replicates: np.ndarray
    n: int


def accuracies(models: Sequence[Predictions], *, replicates: int = REPLICATES, seed: int = 0) -> Accuracies:
    """Of all models at once: every replicate resamples the images, so that differences are those of pairs."""
    first, right = _right(models)
    sums = resampled_sums(first.sample_id, np.column_stack([*right, np.ones(first.n, bool)]), seed, replicates)
    with np.errstate(invalid="ignore"):
        return Accuracies(right.mean(axis=1), sums[:, :-1] / sums[:, -1:], first.n)


def _right(models: Sequence[Predictions]) -> tuple[Predictions, np.ndarray]:
    """The first model's labelled rows, and whether each model is right there, ``(m, n)``."""
    first = models[0].labelled()
    if not first.n:
        raise InputError(
            f"{models[0].model} has no labelled row on {models[0].name}; compare models on labelled images"
        )
    others = [matched(first, model.labelled())[1] for model in models[1:]]
    return first, np.stack([first.right, *(other.right for other in others)])


def paired(models: Sequence[Predictions], *, replicates: int = REPLICATES, seed: int = 0) -> tuple[Difference, ...]:
    """All pairs of models on the same images, in the order given.

    Raises
    ------
    InputError
        The images are not the same.
    """
    first, right = _right(models)
    drawn = accuracies(models, replicates=replicates, seed=seed)
    result = []
    for i, j in combinations(range(len(models)), 2):
        only = int((right[i] & ~right[j]).sum()), int((right[j] & ~right[i]).sum())
        low, high = interval_of(drawn.replicates[:, i] - drawn.replicates[:, j])
        if not np.array_equal(models[i].predicted, models[j].predicted):
            low, high = paired_interval_of_counts(*only, first.n, (low, high))
        value, p = (only[0] - only[1]) / first.n, mcnemar(*only)
        result.append(Difference(models[i].model, models[j].model, value, low, high, p, p, *only, first.n))
    return _corrected(result)


def _corrected(result: Sequence[Difference]) -> tuple[Difference, ...]:
    corrected = adjusted(np.array([one.p for one in result]), "holm")
    return tuple(replace(one, adjusted_p=float(p)) for one, p in zip(result, corrected, strict=True))


class Lines(NamedTuple):
    """The line that models are held against.

    Attributes
    ----------
    every
        Through all models, by least squares; or a line that was given.
    rest
        Through the models that do not lie off it; None where none does, or a line was given.
    median
        Slope and intercept of Theil and Sen, through all models; NaN of a line that was given.
    """

    every: ProbitLine
    rest: ProbitLine | None
    median: tuple[float, float]

    @property
    def used(self) -> ProbitLine:
        """The one that distances are from."""
        return self.rest or self.every

    def expected(self, reference: np.ndarray) -> np.ndarray:
        """Target accuracies on the line; NaN where models do not rise together, so that there is none."""
        return self.used.expected(reference) if self.used.rises else np.full(len(reference), np.nan)


@dataclass(frozen=True)
class Robustness:
    """How far a model's target accuracy lies above what the line expects of its reference accuracy.

    Attributes
    ----------
    off
        Whether it lies off the line of the other models, so that the line is theirs.
    value, low, high
        Effective robustness as a difference of shares, and its 95 % interval; NaN where models have no line.
    gap, gap_low, gap_high
        Reference accuracy minus target accuracy, and its 95 % interval.
    """

    model: str
    off: bool
    reference: float
    target: float
    expected: float
    value: float
    low: float
    high: float
    gap: float
    gap_low: float
    gap_high: float


def robustness(
    reference: Sequence[Predictions],
    target: Sequence[Predictions],
    line: ProbitLine | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> tuple[Lines, tuple[Robustness, ...]]:
    """Effective robustness of the models, given in the same order for both sets, against `line`, or else against the
    line through these models, which is fitted anew in each replicate. Models that lie off the line do not take part.

    References
    ----------
    Taori et al. (2020), "Measuring robustness to natural distribution shifts in image classification".
    """
    old, new = (accuracies(side, replicates=replicates, seed=seed + i) for i, side in enumerate((reference, target)))
    names = [one.model for one in reference]
    lines, off = lines_of(names, old.value, new.value, line, _probit_error(new))
    expected = lines.expected(old.value)
    on_line = line.expected(old.replicates) if line else _refitted(old.replicates, new.replicates, ~off)
    away = (new.replicates - on_line).T
    spans = [interval_of(one) for one in away] if lines.used.rises else [(float("nan"),) * 2] * len(away)
    return lines, tuple(
        Robustness(
            one.model,
            bool(off[i]),
            float(old.value[i]),
            float(new.value[i]),
            float(expected[i]),
            float(new.value[i] - expected[i]),
            *spans[i],
            float(old.value[i] - new.value[i]),
            *interval_of(old.replicates[:, i] - new.replicates[:, i]),
        )
        for i, one in enumerate(reference)
    )


def lines_of(
    models: Sequence[str],
    reference: np.ndarray,
    target: np.ndarray,
    line: ProbitLine | None = None,
    error: np.ndarray | float = 0.0,
) -> tuple[Lines, np.ndarray]:
    """The lines through accuracies ``reference, target : (m,)``, or `line`, and which models lie off, ``(m,) bool``;
    ``error : (m,)`` is the sampling error of the target accuracies on the probit axis.

    Raises
    ------
    InputError
        An accuracy is exactly 0 or 1; the message names the model.
    """
    for name, *pair in zip(models, reference, target, strict=True):
        if min(pair) <= 0 or max(pair) >= 1:
            raise InputError(f"{name} classifies none or all images of a set correctly, which has no place on a probit "
                             "axis; leave it out")  # fmt: skip
    if line is not None:
        return Lines(line, None, (float("nan"),) * 2), np.zeros(len(models), bool)
    every, x, y = ProbitLine.fit(reference, target), probit(reference), probit(target)
    off = off_line(x, y, error)
    return Lines(every, ProbitLine.without(reference, target, off) if off.any() else None, theil_sen(x, y)), off


def _probit_error(side: Accuracies) -> np.ndarray:
    """Standard errors of accuracies on the probit axis, by the delta method."""
    density = np.exp(-np.square(probit(np.clip(side.value, 1e-9, 1 - 1e-9))) / 2) / np.sqrt(2 * np.pi)
    return np.sqrt(side.value * (1 - side.value) / side.n) / density


def _refitted(reference: np.ndarray, target: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """What the line through the `chosen` models of each replicate expects, ``(b, m)``; NaN where one is 0 or 1."""
    inside = (reference > 0) & (reference < 1) & (target > 0) & (target < 1)
    usable = inside[:, chosen].all(axis=1)
    x, y = (
        np.where(usable[:, None], probit(np.where(usable[:, None], side, 0.5)), np.nan) for side in (reference, target)
    )
    centred = x - x[:, chosen].mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (centred * y)[:, chosen].sum(axis=1) / np.square(centred[:, chosen]).sum(axis=1)
    return ndtr(y[:, chosen].mean(axis=1, keepdims=True) + slope[:, None] * centred)


def baseline_line(place: str) -> ProbitLine:
    """The line of a JSON file with slope and intercept in probit units, or through a table of models with the columns
    reference and target, accuracies between 0 and 1.

    Raises
    ------
    InputError
        The file holds neither.
    """
    source = Location.of(place)
    if suffix_of(source) == ".json" and source.exists():
        try:
            result = json.loads(source.read_text())
        except ValueError as error:
            raise InputError(f"{place} cannot be read as JSON: {error}") from error
        if isinstance(result, dict) and {"slope", "intercept"} <= set(result):
            return _line_of(result, place)
    table = read_table(source)
    if {"slope", "intercept"} <= set(table.column_names) and len(table) == 1:
        return _line_of(table.to_pylist()[0], place)
    if not {"reference", "target"} <= set(table.column_names):
        raise InputError(
            f"{place} has no line: give slope and intercept on probit axes, or one row for each model with its "
            f"accuracies as reference and target; it has {', '.join(table.column_names)}"
        )
    sides = (table[name].to_numpy().astype(np.float64) for name in ("reference", "target"))
    return ProbitLine.fit(*sides)


def _line_of(result: dict, place: str) -> ProbitLine:
    """A line that is only stated: nothing is known of its errors."""
    try:
        slope, intercept = float(result["slope"]), float(result["intercept"])
    except (TypeError, ValueError) as error:
        raise InputError(f"{place}: slope and intercept must be numbers: {error}") from error
    unknown = float("nan")
    return ProbitLine(slope, intercept, unknown, unknown, unknown, unknown, 0)

"""What a forecast is, who makes one, and how all of them are made for two sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from gapscope.blocks.formats import metric_words
from gapscope.core.errors import InputError
from gapscope.forecasts import FORECASTS
from gapscope.forecasts.scored import Scored
from gapscope.inference import clopper_pearson


@dataclass(frozen=True)
class Forecast:
    """The accuracy that one method expects of one model on one set.

    Attributes
    ----------
    name
        Of the method, in `FORECASTS`.
    value
        Expected share of correct predictions; NaN where the method has none to give, and the sentence says why.
    low, high
        95 % interval over other samples of rows of these sizes, from a Poisson bootstrap of both sets. It knows nothing
        of the method's own error, which is often larger; only `backtested` errors show that.
    n
        Rows of the target that it rests on.
    sentence
        What it means, in one sentence for a person who does not know the method.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int
    sentence: str


@dataclass(frozen=True)
class ForecastOptions:
    """What all methods share: the seed of the bootstrap, and its number of replicates."""

    seed: int = 0
    replicates: int = 200


class Method(Protocol):
    """A member of `FORECASTS`; all of them are frozen values without state.

    Attributes
    ----------
    needs
        What a set must bring: of ``confidence``, ``probabilities``, ``heads`` and ``own``, see `Scored.lacks`.
    """

    needs: tuple[str, ...]

    def estimate(self, source: Scored, target: Scored, options: ForecastOptions) -> Forecast:
        """The forecast for `target`, whose labels are not there, from `source`, all of whose rows have one."""


class Forecasts(NamedTuple):
    """Forecasts, and a sentence for each thing that keeps methods from making one."""

    made: list[Forecast]
    left_out: list[str]


def forecasts(
    source: Scored, target: Scored, names: Sequence[str] = (), options: ForecastOptions | None = None
) -> Forecasts:
    """The forecasts of the methods `names` of `FORECASTS`, of all when none is named.

    Target labels are taken away before any method sees the target.

    Raises
    ------
    InputError
        A set has no row, or the source has no label.
    """
    source, target, options = source.labelled(), target.blind(), options or ForecastOptions()
    if not source.n:
        raise InputError(f"{source.name} has no labelled row to learn a forecast from; choose a labelled --reference")
    if not target.n:
        raise InputError(f"{target.name} has no rows to make a forecast for")
    made, missing = [], {}
    for name in names or FORECASTS:
        method = FORECASTS[name]
        lacking = next((why for need in method.needs for one in (source, target) if (why := one.lacks(need))), "")
        if lacking:
            missing.setdefault(lacking, []).append(name)
        else:
            made.append(method.estimate(source, target, options))
    left_out = ((why, [metric_words(name.replace("-", "_")) for name in names]) for why, names in missing.items())
    return Forecasts(made, [f"No {', '.join(names)}: {why}." for why, names in left_out])


class Truth(NamedTuple):
    """The accuracy that labels show, with its exact 95 % interval, and their number."""

    value: float
    low: float
    high: float
    n: int


def truth(target: Scored) -> Truth | None:
    """What the target's own labels say, for a back-test; None where it has none."""
    known = target.labelled()
    if not known.n:
        return None
    right = int(known.right.sum())
    return Truth(right / known.n, *clopper_pearson(right, known.n), known.n)


def backtested(forecast: Forecast, result: Truth) -> float:
    """The forecast's error, estimate - truth, as a difference of shares."""
    return float(np.float64(forecast.value) - result.value)

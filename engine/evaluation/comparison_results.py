"""The results of a comparison: accuracies of models, differences of pairs, and distances from a line."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

import pyarrow as pa

from gapscope.evaluation.accuracy_tables import OfModel
from gapscope.evaluation.comparison import Difference, Lines, Robustness
from gapscope.inference.interval import clopper_pearson
from gapscope.predictions import Predictions
from gapscope.schemas.results import Result

DIFFERENCES = pa.schema(
    [
        *((name, pa.string()) for name in ("dataset", "split", "one", "other")),
        *((name, pa.float64()) for name in ("value", "low", "high", "p", "adjusted_p")),
        *((name, pa.int64()) for name in ("only_one", "only_other", "n")),
    ]
)


def accuracy_results(side: Sequence[Predictions]) -> Iterator[Result]:
    """The accuracy of each model on one set, with its exact interval."""
    for one in side:
        right, n = int(one.right[one.known].sum()), int(one.known.sum())
        low, high = clopper_pearson(right, n)
        yield _result(one, "accuracy", right / n, n, low=low, high=high)


def pair_results(place: Predictions, pairs: Sequence[Difference]) -> Iterator[Result]:
    """Of each pair, the difference and both p-values of its test."""
    for pair in pairs:
        where = {"dataset": place.dataset, "split": place.split, "model": f"{pair.one} - {pair.other}", "n": pair.n}
        yield Result(**where, metric="accuracy_difference", value=pair.value, low=pair.low, high=pair.high)
        yield Result(**where, metric="mcnemar_p_value", value=pair.p)
        yield Result(**where, metric="mcnemar_holm_p_value", value=pair.adjusted_p)


def pair_rows(place: Predictions, pairs: Sequence[Difference]) -> list[dict[str, Any]]:
    """The rows of the table of differences, in the fields of `DIFFERENCES`."""
    return [{"dataset": place.dataset, "split": place.split, **asdict(pair)} for pair in pairs]


def line_results(target: Sequence[Predictions], distances: Sequence[Robustness]) -> Iterator[Result]:
    """Of each model, its distance from the line and what the line expects, where there is one, and its gap."""
    for one, side in zip(distances, target, strict=True):
        n = int(side.known.sum())
        if isfinite(one.expected):
            yield _result(side, "effective_robustness", one.value, n, low=one.low, high=one.high)
            yield _result(side, "accuracy_expected_on_line", one.expected, n)
        yield _result(side, "accuracy_gap", one.gap, n, low=one.gap_low, high=one.gap_high)


def table_results(reference: str, target: str, models: Sequence[OfModel]) -> Iterator[Result]:
    """Of each model of two tables, both accuracies, its distance from the line and its gap; n is 0 for unknown."""
    for one in models:
        yield Result(dataset=reference, split="", model=one.model, metric="accuracy", value=one.reference, n=0)
        numbers = {
            "accuracy": one.target,
            "effective_robustness": one.target - one.expected,
            "accuracy_expected_on_line": one.expected,
            "accuracy_gap": one.reference - one.target,
        }
        for metric, value in numbers.items():
            if isfinite(value):
                yield Result(dataset=target, split="", model=one.model, metric=metric, value=value, n=0)


def line_json(lines: Lines, distances: Sequence[Robustness | OfModel]) -> dict[str, Any]:
    """The line through all models for ``line.json``, without NaN; that of the rest where some lie off, and which."""
    slope, intercept = lines.median
    return {
        **_without_nan(asdict(lines.every)),
        "theil_sen": _without_nan({"slope": slope, "intercept": intercept}),
        "rest": None if lines.rest is None else _without_nan(asdict(lines.rest)),
        "off": [one.model for one in distances if one.off],
    }


def _without_nan(numbers: dict[str, Any]) -> dict[str, Any]:
    return {name: value if value == value else None for name, value in numbers.items()}


def _result(one: Predictions, metric: str, value: float, n: int, **interval: float) -> Result:
    return Result(dataset=one.dataset, split=one.split, model=one.model, metric=metric, value=value, n=n, **interval)

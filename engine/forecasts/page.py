"""What a run of `forecast` has found, as blocks: the accuracy expected without labels, beside the truth if known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gapscope.blocks import Answer, Block, Heading, Sentence, Table, estimate, of_row
from gapscope.blocks.formats import in_brackets, listed, metric_words, percent, set_name, span, upper
from gapscope.core.text import counted
from gapscope.evaluation.accuracy import accuracy_interval
from gapscope.runs.run import Row, Run

PREFIX, ERROR, RECOMMENDED = "forecast_", "_error", "forecast_recommended"
# Rows up to which a terminal shows all forecasts.
FEW = 10
COLUMNS = {
    "method": "text",
    "model": "text",
    "set": "text",
    "forecast": "share",
    "true accuracy": "share",
    "forecast less truth": "change",
}
CAVEAT = (
    "The interval of a single method is over other samples of rows of these sizes; its own error is not in it and is "
    "often larger. That of the recommended forecast holds it."
)
HELD = (
    "The interval holds 92 % of the errors on shifts made from the reference, of kinds that the forecast had not seen."
)
NONE = "No method can forecast the accuracy from what these predictions hold"
MORE = (
    "Give the predictions of both sets with a probability or score of each class or with a confidence, those of more "
    "models, or all --methods: the notes say what each lacks."
)
UNSEEN = "A shift that moves labels but leaves features as they are cannot be seen without labels."


def page(run: Run) -> list[Block]:
    """The answer first; a row for each set, model and method."""
    rows = [row for row in run.headline if _is_forecast(row["metric"]) and row["value"] is not None]
    rows = [row for row in rows if row["metric"] != RECOMMENDED]
    if not rows:
        return [Answer.of(NONE, {"What to do": MORE}), *run.notes]
    truth = {(set_name(row), row["model"]): row for row in run.of_metric("accuracy")}
    advised = run.json("recommended") or []
    return [
        answer(rows, truth, advised),
        *run.notes,
        *_advice(advised, truth),
        Heading("forecasts", "Forecasts"),
        _table(run, rows, truth),
        *_mean_errors(run),
        Sentence(CAVEAT),
        *_meanings(run),
    ]


def answer(
    rows: Sequence[Row], truth: Mapping[tuple[str, str], Row], advised: Sequence[Mapping[str, Any]] = ()
) -> Answer:
    """The accuracy that is recommended, or that there is none; what the methods expect, and what is true if known."""
    by_set: dict[str, list[float]] = {}
    for row in rows:
        by_set.setdefault(set_name(row), []).append(row["value"])
    ranges = [f"{name}: {percent(min(values))} to {percent(max(values))}." for name, values in by_set.items()]
    methods = counted(len({row["metric"] for row in rows}), "method")
    known = [_truth_text(where, model, row, advised) for (where, model), row in truth.items()]
    low, high = (end(row["value"] for row in rows) for end in (min, max))
    models = len({row["model"] for row in rows})
    among = f" for {models} models" if models > 1 else ""
    span_of_all = f"{methods} expect {percent(low)} to {percent(high)}{among}."
    has_interval = any(one["value"] is not None for one in advised)
    said = _advised_texts(advised)
    parts = {
        "What was seen": [*said[1:3], *(ranges if len(by_set) > 1 else [span_of_all])],
        "How sure": [*known[:3], *([HELD] if has_interval else []), UNSEEN],
    }
    if said:
        return Answer.of(said[0].rstrip("."), parts)
    headline = f"Accuracy on {listed(list(by_set))} without labels: {percent(low)} to {percent(high)} by {methods}"
    return Answer.of(headline, parts)


def _truth_text(where: str, model: str, truth: Row, advised: Sequence[Mapping[str, Any]]) -> str:
    """What the labels say, and whether it is not what was expected, beyond chance or within it."""
    value, (low, high) = truth["value"], accuracy_interval(truth)
    said = f"The labels of {where} say {percent(value)}{in_brackets(span(low, high))} for {model}"
    low, high = (value, value) if low is None or high is None else (low, high)
    for one in advised:
        if (one["set"], one["model"]) == (where, model) and one["value"] is not None:
            if high < one["low"] or one["high"] < low:
                return f"{said}, outside the interval: the forecast is wrong here."
            if not one["low"] <= value <= one["high"]:
                return f"{said}, outside the interval by what chance may do to so few labels."
    return f"{said}."


def _advised_texts(advised: Sequence[Mapping[str, Any]]) -> list[str]:
    """The recommendations as sentences; models that have none of a set for the same reason share one."""
    sentences: dict[tuple, list[str]] = {}
    for one in advised:
        if one["value"] is None:
            key, text = (one["set"], one["reason"]), one["model"]
        else:
            between = f"between {percent(one['low'])} and {percent(one['high'])}"
            key = (one["set"], one["model"], one["value"])
            text = (
                f"{one['model']} is expected to classify {percent(one['value'])} of {one['set']} correctly, {between}."
            )
        sentences.setdefault(key, []).append(text)
    return [
        texts[0] if len(key) > 2 else f"The accuracy of {listed(texts)} on {key[0]} cannot be forecast: {key[1]}."
        for key, texts in sentences.items()
    ]


def _advice(advised: Sequence[Mapping[str, Any]], truth: Mapping[tuple[str, str], Row]) -> list[Block]:
    """The recommended forecast of each model and set, or why there is none."""
    cells = []
    for one in advised:
        known = truth.get((one["set"], one["model"]))
        value = None if one["value"] is None else estimate(one["value"], one["low"], one["high"])
        rests = f"{one['shifts']} made shifts of {counted(one['kinds'], 'kind')}"
        cells.append([one["model"], one["set"], value, known and of_row(known), upper(one["reason"] or rests)])
    columns = {"model": "text", "set": "text", "expected": "share", "true accuracy": "share", "why": "text"}
    return [Table("Recommended forecast", columns, cells, headline=True, whole=len(cells) <= FEW)] if cells else []


def _table(run: Run, rows: Sequence[Row], truth: Mapping[tuple[str, str], Row]) -> Table:
    errors = {_key(row): of_row(row) for row in run.headline if row["metric"].endswith(ERROR)}
    cells = []
    for row in rows:
        where, model, method = key = _key(row)
        known = truth.get((where, model))
        cells.append([method, model, where, of_row(row), known and of_row(known), errors.get(key)])
    columns = COLUMNS if truth else dict(list(COLUMNS.items())[:4])
    cells = [row[: len(columns)] for row in cells]
    return Table("Accuracy forecast without labels", columns, cells, headline=True, whole=len(cells) <= FEW)


def _mean_errors(run: Run) -> list[Block]:
    """Of several models on a set, the mean absolute error of each method."""
    errors: dict[tuple[str, str], list[float]] = {}
    for row in run.headline:
        if row["metric"].startswith(PREFIX) and row["metric"].endswith(ERROR) and row["value"] is not None:
            where, _, method = _key(row)
            errors.setdefault((where, method), []).append(abs(row["value"]))
    several = {key: values for key, values in errors.items() if len(values) > 1}
    columns = {"method": "text", "set": "text", "models": "count", "mean absolute error, points": "number"}
    cells = [[method, where, len(values), 100 * float(np.mean(values))] for (where, method), values in several.items()]
    return [Table("Mean absolute error over the models", columns, cells, headline=True)] if cells else []


def _meanings(run: Run) -> list[Block]:
    rows = [
        [metric_words(one["method"].replace("-", "_")), one["model"], one["set"], upper(one["sentence"])]
        for one in run.json("forecasts") or []
    ]
    columns = {"method": "text", "model": "text", "set": "text", "what it means": "text"}
    return [Table("What each forecast means", columns, rows)] if rows else []


def _is_forecast(metric: str) -> bool:
    """Whether a metric is an accuracy that was estimated without labels."""
    return metric.startswith(PREFIX) and not metric.endswith(ERROR)


def _key(row: Row) -> tuple[str, str, str]:
    method = row["metric"].removeprefix(PREFIX).removesuffix(ERROR)
    return set_name(row), row["model"], metric_words(method)

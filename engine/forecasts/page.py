"""What a run of `forecast` has found, as blocks: the accuracy expected without labels, beside the truth if known."""

from collections.abc import Mapping, Sequence

import numpy as np

from gapscope.blocks import Answer, Block, Heading, Sentence, Table, of_row
from gapscope.blocks.formats import counted, listed, percent, set_name, upper
from gapscope.runs.run import Row, Run

PREFIX, ERROR = "forecast_", "_error"
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
    "An interval is over other samples of rows of these sizes; a method's own error is not in it and is often larger. "
    "It shows only where the true accuracy stands beside a forecast."
)


def page(run: Run) -> list[Block]:
    """The answer first; a row for each set, model and method."""
    rows = [row for row in run.headline if _is_forecast(row["metric"]) and row["value"] is not None]
    if not rows:
        return []
    truth = {(set_name(row), row["model"]): row for row in run.of_metric("accuracy")}
    return [
        answer(rows, truth),
        *run.notes,
        Heading("forecasts", "Forecasts"),
        _table(run, rows, truth),
        *_mean_errors(run),
        Sentence(CAVEAT),
        *_meanings(run),
    ]


def answer(rows: Sequence[Row], truth: Mapping[tuple[str, str], Row]) -> Answer:
    """What the methods expect, and what is true where labels are known."""
    by_set: dict[str, list[float]] = {}
    for row in rows:
        by_set.setdefault(set_name(row), []).append(row["value"])
    ranges = [f"{name}: {percent(min(values))} to {percent(max(values))}." for name, values in by_set.items()]
    methods = counted(len({row["metric"] for row in rows}), "method")
    known = [f"The labels of {where} say {percent(row['value'])} for {model}." for (where, model), row in truth.items()]
    low, high = (end(row["value"] for row in rows) for end in (min, max))
    parts = {
        "What was seen": ranges if len(by_set) > 1 else "",
        "How sure": [
            *known[:2],
            "Where methods disagree, none should be trusted without some labels.",
        ],
    }
    headline = f"Accuracy on {listed(list(by_set))} without labels: {percent(low)} to {percent(high)} by {methods}"
    return Answer.of(headline, parts)


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
    rows = [[one["method"], one["model"], one["set"], upper(one["sentence"])] for one in run.json("forecasts") or []]
    columns = {"method": "text", "model": "text", "set": "text", "what it means": "text"}
    return [Table("What each forecast means", columns, rows)] if rows else []


def _is_forecast(metric: str) -> bool:
    """Whether a metric is an accuracy that was estimated without labels."""
    return metric.startswith(PREFIX) and not metric.endswith(ERROR)


def _key(row: Row) -> tuple[str, str, str]:
    method = row["metric"].removeprefix(PREFIX).removesuffix(ERROR)
    return set_name(row), row["model"], method.replace("_", " ")

"""What was expected of sets without their labels, beside the truth where labels are there."""

from gapscope.reports.page.blocks import Block, of_row, section, table
from gapscope.reports.page.words import set_name
from gapscope.runs.run import Run

PREFIX, ERROR = "forecast_", "_error"
COLUMNS = {
    "set": "text",
    "model": "text",
    "method": "text",
    "forecast": "share",
    "true accuracy": "share",
    "forecast less truth": "change",
}


def forecast_section(run: Run) -> Block | None:
    """A row for each set, model and method."""
    truth = {(set_name(row), row["model"]): of_row(row) for row in run.of_metric("accuracy")}
    errors = {
        _key(row): of_row(row)
        for row in run.headline
        if row["metric"].startswith(PREFIX) and row["metric"].endswith(ERROR)
    }
    rows = [
        [*_key(row), of_row(row), truth.get((set_name(row), row["model"])), errors.get(_key(row))]
        for row in run.headline
        if is_forecast(row["metric"])
    ]
    about = (
        "Accuracy estimated without labels, with the 95 % interval of sampling; how far a method itself is off shows "
        "only where the truth stands beside it."
    )
    found = table("Forecasts of accuracy without labels", COLUMNS, rows)
    return section("forecasts", "Forecasts", sentences=[about], tables=[found]) if rows else None


def is_forecast(metric: str) -> bool:
    """Whether a metric is an accuracy that was estimated without labels."""
    return metric.startswith(PREFIX) and not metric.endswith(ERROR)


def _key(row: dict) -> tuple[str, str, str]:
    method = row["metric"].removeprefix(PREFIX).removesuffix(ERROR)
    return set_name(row), row["model"], method.replace("_", " ")

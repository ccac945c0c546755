"""How a network learnt, and what settings were tried for a classifier."""

from gapscope.reports.page.blocks import Block, estimate, figure, number, section, table
from gapscope.reports.page.words import percent, set_name
from gapscope.runs.run import Run

EPOCHS = {
    "epoch": "text",
    "training loss": "number",
    "validation loss": "number",
    "training accuracy": "share",
    "validation accuracy": "share",
    "images a second": "number",
}
TRIED = {"setting": "text", "accuracy, held out": "share", "log-loss, held out": "number"}
HELD_OUT = "held out"


def training_section(run: Run) -> Block | None:
    """Epochs with their pictures, and settings judged on held-out rows."""
    history = run.table("history")
    rows = [
        [
            f"epoch {row['epoch']}",
            number(row["train_loss"]),
            number(row["validation_loss"]),
            estimate(row["train_accuracy"]),
            estimate(row["validation_accuracy"]),
            number(row["images_per_second"]),
        ]
        for row in history
    ]
    names = [name for name in run.pictures if "history-" in name]
    figures = [figure(name, run.picture(name), _alt(name, history)) for name in names]
    tables = [
        table("Epochs", EPOCHS, rows),
        table("Settings tried, judged on held-out training rows", TRIED, _tried(run)),
    ]
    return section("training", "Training", tables=tables, figures=figures)


def _alt(name: str, history: list[dict]) -> str:
    what = name.rpartition("history-")[2].replace("-", " ")
    column = f"train_{what}"
    if not history or column not in history[0]:
        return f"{what} by epoch"
    first, last = (history[place][column] for place in (0, -1))
    ends = (percent(first), percent(last)) if what == "accuracy" else (f"{first:.3g}", f"{last:.3g}")
    return f"Training {what} goes from {ends[0]} after the first epoch to {ends[1]} after the last of {len(history)}"


def _tried(run: Run) -> list[list]:
    found: dict[str, dict[str, float]] = {}
    for row in run.results:
        if HELD_OUT in set_name(row) and row["class"] is None:
            found.setdefault(row["model"], {})[row["metric"]] = row["value"]
    rows = [[name, estimate(row.get("accuracy")), number(row.get("log_loss"))] for name, row in found.items()]
    return sorted(rows, key=lambda row: -(row[1]["value"] or 0.0))

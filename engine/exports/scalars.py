"""The numbers of a finished run as other tools plot them: losses and accuracies by epoch, results at the end."""

from collections.abc import Iterator
from typing import NamedTuple

from gapscope.blocks.formats import set_name
from gapscope.core.files import read_table
from gapscope.runs.run import MODELS, Run

HISTORY = "history.parquet"


class Scalar(NamedTuple):
    """A number under a name with slashes, at an epoch; results of the whole run stand at epoch 0."""

    name: str
    step: int
    value: float


def scalars_of(run: Run) -> Iterator[Scalar]:
    """All histories of a run, model by model, then its headline results."""
    for model in run.models or [""]:
        yield from _history(run, model)
    for row in run.headline:
        if row["value"] is not None:
            parts = (row["model"], set_name(row), row["metric"])
            yield Scalar("/".join(part for part in parts if part), 0, row["value"])


def _history(run: Run, model: str) -> Iterator[Scalar]:
    place = (run.place / MODELS / model if model else run.place) / HISTORY
    if not place.exists():
        return
    for row in read_table(place).to_pylist():
        for name, value in row.items():
            if name != "epoch" and value is not None:
                yield Scalar(f"{model}/{name}" if model else name, row["epoch"], float(value))


def options_of(run: Run) -> dict[str, str]:
    """The options that were given, as text."""
    return {name: str(value) for name, value in run.manifest.config.items() if value not in (None, "", [], ())}

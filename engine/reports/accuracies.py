"""One table with every accuracy that several runs measured."""

from collections.abc import Iterable, Sequence

from gapscope.blocks import Block, Heading, Sentence, Table, estimate
from gapscope.blocks.blocks import Cell
from gapscope.evaluation.accuracy import Loss, Measured, losses, measured
from gapscope.runs.run import HELD_OUT, Run

COLUMNS = {
    "model": "text",
    "set": "text",
    "accuracy": "share",
    "lost": "change",
    "compared with": "text",
    "images": "count",
    "run": "text",
}
PAIRED = ", or compares them one by one where `gap` has paired them by their names or bytes"
# A study has an accuracy for each training and test set, shown by its own page.
SHOWN = 200
ABOUT = (
    "The interval of an accuracy covers the true one with 95 % probability; points are percentage points, positive "
    "where accuracy was lost. The interval of a loss takes the images of the two sets as independent"
)


def accuracy_blocks(runs: Sequence[Run]) -> list[Block]:
    """A section with the accuracy of all models on all sets; a row that several runs repeat stands there once."""
    every = [one for run in runs for one in measured(run)]
    lost = {(one.target.run, one.target.model, one.target.set): one for one in losses(every, runs)}
    rows = list(_once(every))
    columns = {name: kind for name, kind in COLUMNS.items() if lost or name != "lost"}
    if all(one.against for one in rows) and not lost:
        del columns["compared with"]
    cut = [Sentence(f"The first {SHOWN} of {len(rows):,} rows; all are in results.parquet.")]
    shown = [_row(one, lost.get((one.run, one.model, one.set)), columns) for one in rows[:SHOWN]]
    table = Table("Accuracy of every model on every set", columns, shown)
    heading = Heading("accuracy", "Accuracy in all runs")
    about = f"{ABOUT}{PAIRED if any(one.paired for one in lost.values()) else ''}."
    return [heading, Sentence(about), *(cut if len(rows) > SHOWN else []), table] if rows else []


def _once(rows: Iterable[Measured]) -> Iterable[Measured]:
    first: dict[tuple, Measured] = {}
    for one in rows:
        first.setdefault((one.model, one.set, one.value, one.n), one)
    return first.values()


def _use(one: Measured) -> str:
    """What a model has used a set for; nothing for one that it has not met."""
    return "" if one.against else "chosen by these" if one.set.endswith(HELD_OUT) else "trained on these"


def _row(one: Measured, fall: Loss | None, columns: Iterable[str]) -> list[Cell]:
    cells = {
        "model": one.model,
        "set": one.set,
        "accuracy": estimate(one.value, one.low, one.high),
        "lost": estimate(fall.value, fall.low, fall.high) if fall else None,
        "compared with": fall.reference.set if fall else _use(one),
        "images": one.n,
        "run": one.run,
    }
    return [cells[name] for name in columns]

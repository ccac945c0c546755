"""Every accuracy that the runs measured, with its interval and what was lost from the set that it is compared with."""

from collections.abc import Iterable, Sequence
from typing import Any

from gapscope.evaluation.accuracy import Measured, losses, measured
from gapscope.reports.page.blocks import Block, estimate, section, table
from gapscope.runs.run import Run

COLUMNS = {
    "model": "text",
    "set": "text",
    "accuracy": "share",
    "lost": "change",
    "compared with": "text",
    "images": "count",
    "run": "text",
}
# A study has an accuracy for each training and test set, shown as its figure and its own tables.
SHOWN = 200


def accuracy_section(runs: Sequence[Run]) -> Block | None:
    """One table of all models and sets; a row that several runs repeat stands there once."""
    every = [one for run in runs for one in measured(run)]
    lost = {(one.target.run, one.target.model, one.target.set): one for one in losses(every)}
    rows = list(_once(every))
    columns = dict(COLUMNS) if len(runs) > 1 else {name: kind for name, kind in COLUMNS.items() if name != "run"}
    if not lost:
        del columns["lost"]
    if all(one.against for one in rows) and not lost:
        del columns["compared with"]
    shown = [_row(one, lost, columns) for one in rows[:SHOWN]]
    sentences = [
        "The interval of an accuracy holds the true one with 95 % probability; points are percentage points, positive "
        "where accuracy was lost, and the interval of a loss takes the images of the two sets as independent."
    ]
    if len(rows) > SHOWN:
        sentences.append(f"The first {SHOWN} of {len(rows):,} rows; all are in results.parquet.")
    found = table("Accuracy of every model on every set", columns, shown)
    return section("accuracy", "Accuracy", sentences=sentences, tables=[found]) if shown else None


def _once(rows: Iterable[Measured]) -> Iterable[Measured]:
    seen: set[Any] = set()
    for one in rows:
        key = (one.model, one.set, one.value, one.n)
        if key not in seen:
            seen.add(key)
            yield one


def _row(one: Measured, lost: dict, columns: dict[str, str]) -> list[Any]:
    fall = lost.get((one.run, one.model, one.set))
    against = fall.reference.set if fall else "" if one.against else "learnt from these"
    cells = {
        "model": one.model,
        "set": one.set,
        "accuracy": estimate(one.value, one.low, one.high),
        "lost": estimate(fall.value, fall.low, fall.high) if fall else None,
        "compared with": against,
        "images": one.n,
        "run": one.run,
    }
    return [cells[name] for name in columns]

"""One table with every accuracy that several runs measured."""

from collections.abc import Iterable, Mapping, Sequence

from gapscope.blocks import Block, Heading, Sentence, Table, estimate
from gapscope.blocks.blocks import Cell
from gapscope.evaluation.accuracy import DIGITS, Loss, Measured, losses, measured
from gapscope.runs.run import HELD_OUT, RUNS, Run

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
    """A section with the accuracy of all models on all sets; a row that several runs repeat stands there once.

    Models of one name that are of different trainings have the name of their run in front.
    """
    trained = _trained_in(runs)
    groups = _apart([one for run in runs for one in measured(run)], trained)
    found = (one for group in groups.values() for one in losses(group, runs))
    lost = {(one.target.run, one.target.model, one.target.set): one for one in found}
    rows = [(f"{name}: " if name else "", one) for name, group in groups.items() for one in _once(group)]
    columns = {name: kind for name, kind in COLUMNS.items() if lost or name != "lost"}
    if all(one.against for _, one in rows) and not lost:
        del columns["compared with"]
    cut = [Sentence(f"The first {SHOWN} of {len(rows):,} rows; all are in results.parquet.")]
    shown = [_row(one, place, lost.get((one.run, one.model, one.set)), columns) for place, one in rows[:SHOWN]]
    table = Table("Accuracy of every model on every set", columns, shown)
    heading = Heading("accuracy", "Accuracy in all runs")
    about = f"{ABOUT}{PAIRED if any(one.paired for one in lost.values()) else ''}."
    return [heading, Sentence(about), *(cut if len(rows) > SHOWN else []), table] if rows else []


def _trained_in(runs: Sequence[Run]) -> dict[str, str]:
    """For each run the one whose models it is about: the first that it has read, or that one has; else itself."""
    read = {run.name: _read_run(run) for run in runs}

    def first(name: str) -> str:
        return first(read[name]) if read.get(name) else name

    return {name: first(name) for name in read}


def _read_run(run: Run) -> str:
    """The name of the first run whose folder, or a model in it, a run has read; empty for none."""
    inside = (one.place.partition(f"/{RUNS}/")[2] for one in run.manifest.inputs)
    return next((place.partition("/")[0] for place in inside if place), "")


def _apart(rows: Sequence[Measured], trained: Mapping[str, str]) -> dict[str, list[Measured]]:
    """The rows by the run that trained their model, where trainings that bear one name differ on a set; under an empty
    name all others.
    """
    values: dict[tuple, dict[float, str]] = {}
    for one in rows:
        values.setdefault((one.model, one.set, one.n), {}).setdefault(round(one.value, DIGITS), trained[one.run])
    shared = {model for (model, *_), places in values.items() if len(set(places.values())) > 1}
    groups: dict[str, list[Measured]] = {}
    for one in rows:
        groups.setdefault(trained[one.run] if one.model in shared else "", []).append(one)
    return groups


def _once(rows: Iterable[Measured]) -> Iterable[Measured]:
    first: dict[tuple, Measured] = {}
    for one in rows:
        first.setdefault((one.model, one.set, one.value, one.n), one)
    return first.values()


def _use(one: Measured) -> str:
    """What a model has used a set for; nothing for one that it has not met."""
    return "" if one.against else "chosen by these" if one.set.endswith(HELD_OUT) else "trained on these"


def _row(one: Measured, place: str, fall: Loss | None, columns: Iterable[str]) -> list[Cell]:
    cells = {
        "model": f"{place}{one.model}",
        "set": one.set,
        "accuracy": estimate(one.value, one.low, one.high),
        "lost": estimate(fall.value, fall.low, fall.high) if fall else None,
        "compared with": fall.reference.set if fall else _use(one),
        "images": one.n,
        "run": one.run,
    }
    return [cells[name] for name in columns]

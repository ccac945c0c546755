"""Every accuracy that the runs measured, with its interval and what was lost from the set that it is compared with."""

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Any, NamedTuple

from gapscope.inference import clopper_pearson
from gapscope.reports.page.blocks import Block, estimate, section, table
from gapscope.reports.page.words import set_name
from gapscope.runs.run import Row, Run

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


class Measured(NamedTuple):
    """The accuracy of a model on a set.

    Attributes
    ----------
    against
        The set that it is compared with; its own name for that set itself, empty where the model learnt from it.
    """

    run: str
    model: str
    set: str
    value: float
    low: float | None
    high: float | None
    n: int
    against: str


class Loss(NamedTuple):
    """What a model lost from `reference` to `target`; positive where accuracy fell."""

    reference: Measured
    target: Measured
    value: float
    low: float | None
    high: float | None

    @property
    def sure(self) -> bool:
        """Whether its interval leaves zero out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def measured(run: Run) -> list[Measured]:
    """The accuracies of a run; where its options name no reference, the first set that a model did not learn from."""
    rows = [row for row in run.of_metric("accuracy") if row["value"] is not None]
    learnt, named = learnt_set(run), run.manifest.config.get("reference")
    against = {row["model"]: set_name(row) for row in reversed(rows) if set_name(row) != learnt}
    if isinstance(named, str) and named:
        against = dict.fromkeys(against, named)
    return [
        Measured(
            run.name,
            row["model"],
            set_name(row),
            row["value"],
            *_interval(row),
            row["n"],
            "" if set_name(row) == learnt else against[row["model"]],
        )
        for row in rows
    ]


def learnt_set(run: Run) -> str:
    """The set that the models of the run were trained on; empty where it trains none."""
    config = run.manifest.config
    trains = "epochs" in config and isinstance(config.get("dataset"), str)
    return f"{config['dataset']}/{config.get('split', 'train')}" if trains else ""


def _interval(row: Row) -> tuple[float | None, float | None]:
    """The interval in the results; that of Clopper and Pearson where a count of right answers was left without one."""
    right = row["value"] * row["n"]
    if row["low"] is not None or not row["n"] or abs(right - round(right)) > 1e-6 * row["n"]:
        return row["low"], row["high"]
    return clopper_pearson(round(right), row["n"])


def losses(rows: Iterable[Measured]) -> list[Loss]:
    """What each model lost from its reference to every other set that it did not learn from.

    The reference is that of the same run, else of another run with a model of the same name.
    """
    found = list(rows)
    anywhere = {(one.model, one.set): one for one in reversed(found)}
    here = {(one.run, one.model, one.set): one for one in found}
    targets = [one for one in found if one.against and one.against != one.set]
    references = [
        here.get((one.run, one.model, one.against), anywhere.get((one.model, one.against))) for one in targets
    ]
    return [loss(first, one) for first, one in zip(references, targets, strict=True) if first is not None]


def loss(reference: Measured, target: Measured) -> Loss:
    """The difference with its interval, which takes the images of the two sets as independent.

    The limits of the two accuracies are combined as in Zou and Donner (2008), "Construction of confidence limits about
    effect measures: a general approach", which is Newcombe's interval where theirs are Wilson's. For the same images
    in two forms it is wider than it need be.
    """
    value = reference.value - target.value
    if None in (reference.low, reference.high, target.low, target.high):
        return Loss(reference, target, value, None, None)
    low = value - sqrt((reference.value - reference.low) ** 2 + (target.high - target.value) ** 2)
    high = value + sqrt((reference.high - reference.value) ** 2 + (target.value - target.low) ** 2)
    return Loss(reference, target, value, low, high)


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

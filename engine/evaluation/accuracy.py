"""Every accuracy that a run measured, with its interval, and what was lost from the set that it is compared with."""

from collections.abc import Iterable
from math import inf, sqrt
from typing import Any, NamedTuple

from gapscope.blocks.formats import set_name
from gapscope.core.splits import split_of
from gapscope.data.synthetic import real_name
from gapscope.inference import clopper_pearson, leaves_zero_out
from gapscope.inference.difference import newcombe
from gapscope.runs.run import Row, Run, is_of, trained_set

# Limits nearer to each other than this are those of one method.
SAME = 1e-9
# Where `gap` keeps what it has found, and the digits by which its accuracies are known again.
GAP, BREAKDOWN, DIGITS = "gap", "ledger", 9
PAIRED = "The images of both sets are paired by their names or bytes, and the interval compares them one by one."
INDEPENDENT = "The interval takes the images of the two sets as independent."


class Measured(NamedTuple):
    """The accuracy of a model on a set.

    Attributes
    ----------
    against
        The set that it is compared with; its own name where that is itself, empty where the model was trained on it.
    """

    run: str
    model: str
    set: str
    value: float
    low: float | None
    high: float | None
    n: int
    against: str

    @classmethod
    def of_count(cls, model: str, name: str, value: float, n: int, *, against: str, run: str = "") -> "Measured":
        """An accuracy of so many counted images of the set `name`, with Clopper and Pearson's interval."""
        return cls(run, model, name, value, *clopper_pearson(round(value * n), n), n, against)


class Loss(NamedTuple):
    """What a model lost from `reference` to `target`; positive where accuracy fell, and picked from so many `tests`.

    `paired` says that the interval compares the same images one by one.
    """

    reference: Measured
    target: Measured
    value: float
    low: float | None
    high: float | None
    tests: int = 1
    paired: bool = False

    @property
    def assumption(self) -> str:
        """What the interval takes the images of the two sets for."""
        return PAIRED if self.paired else INDEPENDENT

    @property
    def sure(self) -> bool:
        """Whether its interval leaves zero out, at a level corrected for the number of tests."""
        known = self.low is not None and self.high is not None
        return known and leaves_zero_out(self.value, self.low, self.high, self.tests)


def measured(run: Run) -> list[Measured]:
    """The accuracies of a run, with the set that each is compared with: the reference that its options name, else the
    first set that a model was not trained on, of a dataset that it was trained on where there is one, a test split
    before others.

    Of `evaluate`, which orders its sets by name, it is the set with the highest accuracy. Where no reference is named,
    a split of a dataset that the model was trained on is compared with none but itself.
    """
    rows = [row for row in run.of_metric("accuracy") if row["value"] is not None]
    if run.job == "evaluate":
        rows.sort(key=lambda row: -row["value"])
    trained = {row["model"]: trained_set(run, row["model"]) for row in rows}
    named = run.manifest.config.get("reference")
    tested = [row for row in rows if not is_of(set_name(row), trained[row["model"]])]
    tested.sort(key=lambda row: (row["dataset"] not in _datasets(trained[row["model"]]), not is_test(set_name(row))))
    first = {row["model"]: set_name(row) for row in reversed(tested)}

    def against(row: Row) -> str:
        name, of = set_name(row), trained[row["model"]]
        if is_of(name, of):
            return ""
        if isinstance(named, str) and named:
            return named
        is_part = row["dataset"] in _datasets(of) and split_of(row["split"]) is not None
        return name if is_part else first[row["model"]]

    return [
        Measured(run.name, row["model"], set_name(row), row["value"], *accuracy_interval(row), row["n"], against(row))
        for row in rows
    ]


def is_test(name: str) -> bool:
    """Whether the split of a set is called one to test on."""
    return split_of(name.rpartition("/")[2]) == "test"


def _datasets(trained: str) -> list[str]:
    """Those that a training set of `trained_set` is made of, with and without their synthetic rows."""
    names = trained.rpartition("/")[0].split(", ")
    return [*names, *map(real_name, names)]


def accuracy_interval(row: Row) -> tuple[float | None, float | None]:
    """The interval in the results; Clopper and Pearson's where a count was left without one."""
    correct = row["value"] * row["n"]
    if row["low"] is not None or not row["n"] or abs(correct - round(correct)) > 1e-6 * row["n"]:
        return row["low"], row["high"]
    return clopper_pearson(round(correct), row["n"])


def losses(rows: Iterable[Measured], runs: Iterable[Run] = ()) -> list[Loss]:
    """What each model lost from its reference to every other set that it was not trained on.

    The reference is that of the same run, else of another run with a model of the same name. Where one of `runs` is a
    `gap` of the same accuracies, the interval is the one that it has found, so that a loss has one interval.
    """
    result = list(rows)
    anywhere = {(one.model, one.set): one for one in reversed(result)}
    here = {(one.run, one.model, one.set): one for one in result}
    targets = [one for one in result if one.against and one.against != one.set]
    references = [
        here.get((one.run, one.model, one.against), anywhere.get((one.model, one.against))) for one in targets
    ]
    found = [loss(first, one) for first, one in zip(references, targets, strict=True) if first is not None]
    known = _of_gaps(runs) if found else {}
    return [one._replace(**known.get(_key(one), {})) for one in found]


def _of_gaps(runs: Iterable[Run]) -> dict[tuple, dict[str, Any]]:
    """The intervals of the losses that runs of `gap` are about."""
    known = {}
    for account in (run.json(BREAKDOWN) for run in runs if run.job == GAP):
        if account and account["gap"]["low"] is not None:
            sides = ((one["set"], one["accuracy"], one["rows"]) for one in (account["reference"], account["target"]))
            first, second = (Measured("", account["model"], *one[:2], None, None, one[2], "") for one in sides)
            one = Loss(first, second, **account["gap"], paired=account.get("paired", False))
            known.setdefault(_key(one), {"low": one.low, "high": one.high, "paired": one.paired})
    return known


def _key(one: Loss) -> tuple:
    """By what a loss of another run is known as the same: model, sets, accuracies and numbers of images."""
    return one.target.model, *((side.set, round(side.value, DIGITS), side.n) for side in (one.reference, one.target))


def loss(reference: Measured, target: Measured) -> Loss:
    """The difference with its interval, which takes the images of the two sets as independent.

    Of counts it is Newcombe's, as in `gap` and `explain`; other limits of the two accuracies are combined alike, as in
    Zou and Donner (2008), "Construction of confidence limits about effect measures: a general approach". For the same
    images in two forms it is wider than it need be.
    """
    value = reference.value - target.value
    if None not in (right := [_right(one) for one in (reference, target)]):
        return Loss(reference, target, value, *map(float, newcombe(tuple(right), (reference.n, target.n))))
    if None in (reference.low, reference.high, target.low, target.high):
        return Loss(reference, target, value, None, None)
    low = value - sqrt((reference.value - reference.low) ** 2 + (target.high - target.value) ** 2)
    high = value + sqrt((reference.high - reference.value) ** 2 + (target.value - target.low) ** 2)
    return Loss(reference, target, value, low, high)


def _right(one: Measured) -> int | None:
    """How many images were classified correctly, where the interval is that of a count; None elsewhere."""
    right = round(one.value * one.n)
    known = one.n and one.low is not None and one.high is not None
    exact = clopper_pearson(right, one.n) if known else (inf, inf)
    return right if max(abs(exact[0] - (one.low or 0)), abs(exact[1] - (one.high or 0))) < SAME else None


def best_models(run: Run) -> list[tuple[str, str]]:
    """For each set the model with the highest accuracy, and the set; means over seeds are no model."""
    best: dict[str, Row] = {}
    for row in run.of_metric("accuracy"):
        where = set_name(row)
        known = row["value"] is not None and ", mean of " not in row["model"]
        if known and (where not in best or row["value"] > best[where]["value"]):
            best[where] = row
    return [(row["model"], where) for where, row in best.items()]

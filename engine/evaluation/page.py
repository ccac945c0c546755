"""The page of measured accuracies: the largest loss first, then every model on every set."""

import shlex
from collections.abc import Sequence

from gapscope.blocks import Answer, Block, Sentence, Table, estimate
from gapscope.blocks.formats import counted, in_brackets, percent, points, set_name, span
from gapscope.core.program import called
from gapscope.evaluation.accuracy import Loss, Measured, losses, measured
from gapscope.runs.run import Run

# Metrics that stand beside accuracy where the run has them, and how they are written.
BESIDE = {"macro_f1": ("macro F1", "number"), "log_loss": ("log loss", "number")}
LOST, BETWEEN, WHY, NEXT, SURE = "What was lost", "Between which sets", "Why", "What to do next", "How sure"


def accuracy_blocks(run: Run) -> list[Block]:
    """The answer of a run that measured accuracies, and their table; nothing where it measured none."""
    rows = measured(run)
    return [answer(run, rows), accuracy_table(run, rows), *_overfitting(rows)] if rows else []


def accuracy_table(run: Run, rows: Sequence[Measured]) -> Table:
    """Every model on every set."""
    lost = {(one.target.model, one.target.set): one for one in losses(rows)}
    beside = {metric: {(r["model"], set_name(r)): r["value"] for r in run.of_metric(metric)} for metric in BESIDE}
    shown = [metric for metric, values in beside.items() if values]
    columns = {"model": "text", "set": "text", "images": "count", "accuracy": "share"}
    columns |= {"points lost": "change"} if lost else {}
    columns |= dict(BESIDE[metric] for metric in shown)
    cells = []
    for one in rows:
        key = (one.model, one.set)
        fall = lost.get(key)
        change = [estimate(fall.value, fall.low, fall.high) if fall else None] if lost else []
        accuracy = estimate(one.value, one.low, one.high)
        cells.append([one.model, one.set, one.n, accuracy, *change, *(beside[metric].get(key) for metric in shown)])
    return Table("Accuracy of every model on every set, with 95 % intervals", columns, cells, headline=True, whole=True)


def answer(run: Run, rows: Sequence[Measured]) -> Answer:
    """The largest loss of the most accurate model where it has met several sets, else how accurate it is."""
    tested = [one for one in rows if one.against and one.n]
    if not tested:
        return Answer(f"{counted(len(rows), 'accuracy', 'accuracies')} on training rows; no test set was measured")
    best = max(tested, key=lambda one: one.value)
    fallen = losses(one for one in tested if one.model == best.model)
    return _of_loss(run, max(fallen, key=lambda one: one.value)) if fallen else _of_one_set(best, tested)


def _of_loss(run: Run, one: Loss) -> Answer:
    between = f"{_with_count(one.reference)} and {_with_count(one.target)}, as {one.target.model} classifies them."
    direction = "lost" if one.value >= 0 else "gained"
    lost = (
        f"{points(one.value)} of accuracy {direction}{in_brackets(span(one.low, one.high))}: "
        f"{percent(one.reference.value)} became {percent(one.target.value)}."
    )
    if one.low is None:
        sure = "The results give no interval for one of the accuracies."
    else:
        said = "leaves zero out, so the difference is beyond chance" if one.sure else "holds zero: it may be chance"
        sure = f"The 95 % interval of the difference {said}. It takes the images of the two sets as independent."
    if not one.sure:
        headline = f"{one.target.model} loses nothing beyond chance from {one.reference.set} to {one.target.set}"
        return Answer.of(headline, {LOST: lost, BETWEEN: between, SURE: sure})
    verb = "loses" if one.value > 0 else "gains"
    words = ["gap", str(run.place), "--reference", one.reference.set, "--target", one.target.set]
    command = f"Split the loss into its causes: `{called()} {shlex.join(words)}`"
    return Answer.of(
        f"{one.target.model} {verb} {points(one.value)} from {one.reference.set} to {one.target.set}",
        {LOST: lost, BETWEEN: between, NEXT: command if one.value > 0 else "", SURE: sure},
    )


def _of_one_set(best: Measured, rows: Sequence[Measured]) -> Answer:
    models = len({one.model for one in rows})
    among = f", the best of {models} models" if models > 1 else ""
    images = counted(best.n, "image")
    return Answer.of(
        f"{best.model} classifies {percent(best.value)} of {best.set} correctly",
        {
            "What was seen": f"{images}{in_brackets(span(best.low, best.high))}{among}.",
            NEXT: "One set shows no gap. Evaluate the model on a second one, then let `gap` compare the two.",
        },
    )


def _with_count(one: Measured) -> str:
    return f"{one.set} ({counted(one.n, 'image')})"


def _overfitting(rows: Sequence[Measured]) -> list[Block]:
    """A sentence on models that are far better on the rows they were trained on."""
    known = {(one.model, one.set.partition(" (")[2] != "", bool(one.against)): one for one in reversed(rows)}
    blocks: list[Block] = []
    for model in dict.fromkeys(one.model for one in rows):
        train, held = known.get((model, False, False)), known.get((model, True, False))
        if train is not None and held is not None:
            text = f"{model}: {percent(train.value)} on training rows, {percent(held.value)} on held-out rows"
            beyond = held.high is not None and train.low is not None and train.low > held.high
            blocks.append(Sentence(f"{text}{': it fits its training rows better than new ones' if beyond else ''}."))
    return blocks

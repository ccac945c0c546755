"""The page of measured models: the largest loss first, then every model on every set, classes and other measures."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from gapscope.blocks import Answer, Block, Sentence, Table, estimate
from gapscope.blocks.formats import in_brackets, listed, percent, points, set_name, span, span_of
from gapscope.core.errors import GapscopeError
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.evaluation.accuracy import Loss, Measured, is_test, losses, measured
from gapscope.evaluation.class_page import class_blocks, confusion_blocks
from gapscope.evaluation.measures import headline_measures, measure_blocks, reliability_blocks
from gapscope.runs.run import Run
from gapscope.store.workspace import OF_FEATURES, option_words, slug
from gapscope.store.write import read_manifest

# Metrics that stand beside accuracy where the run has them, and how they are written.
BESIDE = {"macro_f1": ("macro F1", "number"), "log_loss": ("log loss", "number")}
LOST, BETWEEN, CHANGED = "What was lost", "Between which sets", "What changed"
WHY, NEXT, SURE = "Why", "What to do", "How sure"


def page(run: Run) -> list[Block]:
    """Everything that was measured of models, the answer first."""
    return [
        *accuracy_blocks(run),
        *run.notes,
        *headline_measures(run),
        *reliability_blocks(run),
        *class_blocks(run),
        *confusion_blocks(run),
        *measure_blocks(run),
    ]


def accuracy_blocks(run: Run) -> list[Block]:
    """The answer of a run that measured accuracies, and their table; nothing where it measured none."""
    rows = measured(run)
    return [answer(run, rows), accuracy_table(run, rows), *_overfitting(rows)] if rows else []


def accuracy_table(run: Run, rows: Sequence[Measured]) -> Table:
    """Every model on every set."""
    lost = {(one.target.model, one.target.set): one for one in losses(rows, run.beside)}
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
        headline = f"{counted(len(rows), 'accuracy', 'accuracies')} on training rows; no test set was measured"
        return Answer.of(headline, {NEXT: _test_rows(run, rows)})
    # Models are compared on the set that losses are counted from.
    home = min((one.set for one in tested if one.against == one.set), key=lambda name: not is_test(name), default="")
    best = max((one for one in tested if home in ("", one.set)), key=lambda one: one.value)
    fallen = losses((one for one in tested if one.model == best.model), run.beside)
    if not fallen:
        return _of_one_set(run, best, tested)
    # `evaluate` compares the set that is best with the one that is worst, of all pairs.
    tests = len(fallen) * (len(fallen) + 1) // 2 if run.job == "evaluate" else len(fallen)
    return _of_loss(run, max(fallen, key=lambda one: one.value)._replace(tests=tests))


def loss_text(value: float, low: float | None, high: float | None, before: float, after: float) -> str:
    """What was lost, as the first sentence of an answer.

    >>> loss_text(0.354, 0.3, 0.4, 0.971, 0.617)
    '35.4 points of accuracy (95 % interval 30.0 to 40.0), from 97.1 % to 61.7 %.'
    """
    interval = in_brackets(span_of(value, low, high))
    gained = "" if value >= 0 else "Nothing; the target gained "
    return f"{gained}{points(value)} of accuracy{interval}, from {percent(before)} to {percent(after)}."


def between_text(model: str, *sets: tuple[str, int]) -> str:
    """Sets with their sizes, and the model that classified them."""
    sizes = " and ".join(f"{name} ({counted(n, 'image')})" for name, n in sets)
    return f"{sizes}, classified by {model}."


def _of_loss(run: Run, one: Loss) -> Answer:
    before, after, model = one.reference, one.target, one.target.model
    headline = f"{model} {'loses' if one.value > 0 else 'gains'} {points(one.value)} from {before.set} to {after.set}"
    if not one.sure:
        headline = f"{model} loses nothing beyond chance from {before.set} to {after.set}"
    chosen = ("--model", slug(model)) if run.models else ()
    command = run.command("gap", "--reference", before.set, "--target", after.set, *chosen)
    answered = run.job == "evaluate" or run.is_answered("gap", before.set, after.set)
    parts = {
        LOST: loss_text(one.value, one.low, one.high, before.value, after.value),
        BETWEEN: between_text(model, *((side.set, side.n) for side in (before, after))),
        NEXT: f"Split the loss into its causes: {command}" if one.sure and one.value > 0 and not answered else "",
        SURE: [_certainty(one), one.assumption],
    }
    return Answer.of(headline, parts)


def _certainty(one: Loss) -> str:
    if one.low is None:
        return "The results give no interval for one of the accuracies."
    among = f", corrected for {one.tests:,} differences looked at," if one.tests > 1 else ""
    if one.sure:
        return f"The difference is beyond chance: its interval{among} leaves zero out."
    return f"The difference may be chance: its interval{among} holds zero."


def _stored(run: Run) -> Mapping[str, Any]:
    """The command that has stored the rows that a model was trained on; empty where nothing says so."""
    with suppress(GapscopeError, OSError):
        for one in run.manifest.inputs:
            return read_manifest(Location.of(one.place)).command
    return {}


def _test_rows(run: Run, rows: Sequence[Measured]) -> str:
    """How rows that were imported get a test set."""
    if _stored(run).get("job") != "import-features":
        return ""
    dataset, *_ = rows[0].set.partition("/")
    made = run.command("import-features", "--dataset", dataset, "--split", "test", about="FILE")
    return f"Import rows that it is not trained on, with {made}, and run `{run.job}` again."


def _new_rows(run: Run) -> str:
    """The command that stores new data as that was stored which the model was trained on."""
    stored = _stored(run)
    if stored.get("job") == "import-features":
        return run.command("import-features", "--dataset", "NAME", "--split", "test", about="FILE")
    words = option_words(stored.get("options", {}), OF_FEATURES) if stored.get("job") == "extract" else []
    return run.command("extract", *words, "--split", "all", about="FOLDER")


def _of_one_set(run: Run, best: Measured, rows: Sequence[Measured]) -> Answer:
    models = len({one.model for one in rows})
    among = f", the highest share among {models} models" if models > 1 else ""
    equals = [one.model for one in rows if (one.set, one.value) == (best.set, best.value)]
    interval, images = span(best.low, best.high), "this one" if best.n == 1 else f"these {best.n:,} images"
    return Answer.of(
        f"{listed(equals)} {'classifies' if len(equals) == 1 else 'classify'} {percent(best.value)} of {best.set} "
        f"correctly{among}",
        {
            NEXT: f"Store new data in the same way, {_new_rows(run)}, then run `gap` to see what is lost on them, and "
            "why.",
            SURE: f"{interval}, for images like {images}; other images may differ." if interval else "",
        },
    )


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

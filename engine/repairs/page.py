"""The page of a repair: what it wins back and what it costs, beside every other and beside doing nothing."""

from typing import Any

from gapscope.blocks import Answer, Block, Heading, Sentence, Table, estimate
from gapscope.blocks.formats import in_brackets, percent, points, span_of, upper, without_code
from gapscope.causes.record import FINDINGS, explanations
from gapscope.core.text import counted
from gapscope.gaps.page import FEW_LABELS
from gapscope.repairs.fit import NOTHING
from gapscope.repairs.record import CELLS, REPAIRS
from gapscope.repairs.words import words
from gapscope.runs.folder import FITTED_ON
from gapscope.runs.run import Row, Run

KEEP = "Keep the old model until labels show a gain: more of them make the interval smaller."
COLUMNS = (
    "Shared needs no labels: how often a second head, fitted to the reference and repaired in the same way, says the "
    "same of the target's rows."
)
WON, PRICE, NEXT, SURE = "What it wins back", "What it costs", "What to do", "How sure"


def page(run: Run) -> list[Block]:
    """What a run of `repair` has found."""
    rows, about = run.table(REPAIRS), run.json("about")
    return [
        _answer(run, rows, about),
        *run.notes,
        _table(rows),
        Sentence(COLUMNS),
        *_cells(run, about),
        Heading("repairs", "What each repair rests on"),
        Table(
            "What each repair rests on",
            {"repair": "text", "rests on": "text"},
            [[words(row["name"]), without_code(row["note"])] for row in rows],
        ),
        Heading("choice", "How it was chosen"),
        Sentence(_choice(rows, about)),
    ]


def _answer(run: Run, rows: list[Row], about: dict[str, Any]) -> Answer:
    chosen = next(row for row in rows if row["chosen"])
    name = chosen["name"]
    if name == NOTHING:
        headline = f"No repair of {about['model']} for {about['target']} is known to be better than none"
    else:
        headline = f"{upper(words(name))}: a repair of {about['model']} for {about['target']}"
    parts = {
        WON: _won(chosen, about),
        PRICE: _price(chosen, rows, about),
        NEXT: _next(run, chosen, about),
        SURE: _sure(chosen, about),
    }
    return Answer.of(headline, parts)


def _won(row: Row, about: dict[str, Any]) -> str:
    if row["name"] == NOTHING:
        return "Nothing; the saved model is the old one."
    if row["target_value"] is None:
        return f"Unknown: {about['target']} has no labels to judge by."
    value, low, high = (row[f"target_{name}"] for name in ("value", "low", "high"))
    change = f"from {percent(row['target_before'])} to {percent(row['target_after'])}"
    interval = span_of(value, low, high)
    seen = "that it was not fitted to" if about["judged"] else "by heads that were not fitted to them"
    judged = f"{counted(int(row['target_n']), 'row')} of {about['target']} {seen}"
    if low <= 0 <= high:
        return f"Nothing beyond chance ({interval} points), {change} on {judged}."
    verb = "" if value > 0 else "It loses "
    return f"{verb}{points(value)} ({interval}), {change} on {judged}."


def _price(row: Row, rows: list[Row], about: dict[str, Any]) -> str:
    labels = counted(row["labels"], "label") if row["labels"] else "no labels"
    if about["labels"] and not row["labels"]:
        labels += in_brackets(about["no_labels_because"] or f"{about['labels']:,} chose it")
    minutes = f"{row['seconds'] / 60:.1f} minutes" if row["seconds"] >= 60 else f"{row['seconds']:.1f} s"
    if row["reference_value"] is None:
        others, name = any(one["reference_value"] is not None for one in rows), about["reference"]
        because = f"its head has seen every image of {name}" if others else f"{name} has no labels"
        return f"{upper(labels)}, {minutes}; {because}, so what it costs there is unknown."
    value, low, high = (row[f"reference_{name}"] for name in ("value", "low", "high"))
    interval = in_brackets(span_of(value, low, high))
    change = f"{points(abs(value))} {'more' if value > 0 else 'less'}{interval}" if value else "nothing"
    more = ", more than it wins back" if _loses_more(row) else ""
    return f"{upper(change)} on {about['reference']}{more}; {labels}; {minutes}."


def _next(run: Run, row: Row, about: dict[str, Any]) -> list[str]:
    config = run.manifest.config
    if row["name"] == NOTHING:
        return [*_ask_for_labels(run, about), *_ask_for_cause(run, about)] if not about["labels"] else []
    if row["target_value"] is not None and row["target_low"] <= 0:
        return [KEEP if row["target_high"] >= 0 else "Keep the old model: this one is worse."]
    dataset, _, split = str(config["target"]).rpartition("/")
    alone = f", for images like those of {about['target']} alone" if _loses_more(row) else ""
    use = run.command("predict", "--dataset", dataset, "--split", split)
    others = ["--exclude", str(run.place / FITTED_ON)] if about["judged"] else []
    gap = run.command("gap", "--reference", about["reference"], "--target", about["target"], *others)
    return [f"Use the model{alone}: {use}.", f"Explain what is left: {gap}."]


def _ask_for_labels(run: Run, about: dict[str, Any]) -> list[str]:
    """The commands that try labels: those that are stored, or new ones."""
    config = run.manifest.config
    kept = run.kept("target", "model", "backbone")
    if not about["judged"]:
        queue = run.command("label-queue", *kept, about=config["run"])
        return [f"List images to label: {queue}; `repair` takes the labels by `--labels FILE`."]
    rows = min(FEW_LABELS, about["fitted"])
    words = ["--reference", about["reference"], *kept, "--label-rows", str(rows)]
    repair = run.command("repair", *words, about=config["run"])
    return [f"Whether {counted(rows, 'label')} of the target would help: {repair}."]


def _ask_for_cause(run: Run, about: dict[str, Any]) -> list[str]:
    """The command that finds the cause, by which repairs can be chosen; nothing where it has been looked for, or must
    not be used.
    """
    config = run.manifest.config
    if config["explain"] or _is_explained(run, about):
        return []
    sets = ["--reference", about["reference"], "--target", about["target"], *run.kept("model", "backbone")]
    return [f"Without labels a known cause can choose: {run.command('explain', *sets, about=config['run'])}."]


def _is_explained(run: Run, about: dict[str, Any]) -> bool:
    """Whether a run beside this one has looked for the cause between the same stored sets, for a model of this name."""
    stores = [(one.place, one.config_hash) for one in run.manifest.inputs[-2:]]
    return any(
        (findings := other.json(FINDINGS))
        and all(findings.get(name) == about[name] for name in ("model", "reference", "target"))
        and [(one.place, one.config_hash) for one in other.manifest.inputs[-2:]] == stores
        for other in explanations(run.place.parent)
    )


def _loses_more(row: Row) -> bool:
    """Whether a repair is known to lose as much on the reference as it wins on the target, or more."""
    cost, gain = row["reference_value"], row["target_value"]
    return cost is not None and gain is not None and cost < 0 and -cost >= gain


def _sure(row: Row, about: dict[str, Any]) -> list[str]:
    fitted = counted(about["fitted"], "target row")
    seen = f"Repairs without labels saw the features of {fitted}"
    if about["judged"]:
        judged = f"{seen}; gains are of other rows, and their intervals hold what refitting changes."
    elif row["target_value"] is not None:
        judged = (
            f"{seen}. Gains are of labelled rows that a head was not fitted to; that of the choice is counted on each "
            "fifth of them by what the others choose."
        )
    else:
        judged = f"{seen}; nothing says what a repair gains."
    judged += f" It was chosen by images of {about['reference']} after {about['cause']}." if about.get("cause") else ""
    leave = f"Leave the rows that were fitted to out of other measurements: {FITTED_ON} lists them."
    return [judged, *([] if row["name"] == NOTHING else [leave])]


def _cells(run: Run, about: dict[str, Any]) -> list[Block]:
    """What the chosen repair does to every class in every group, the worst ones first."""
    if not (about.get("groups") and about["judged"]):
        return []
    rows = sorted(run.table(CELLS), key=lambda row: row["after"])
    columns = {"class": "text", about["groups"]: "text", "rows": "count", "before": "share", "after": "share"}
    cells = [
        [
            *(row[name] for name in ("class", "group", "rows")),
            estimate(row["before"]),
            estimate(row["after"], row["low"], row["high"]),
        ]
        for row in rows
    ]
    return [Table(f"Accuracy by class and {about['groups']}, the worst first", columns, cells, headline=True)]


def _table(rows: list[Row]) -> Table:
    columns = {"repair": "text", "points won back": "change", "points on the reference": "change", "labels": "count"}
    columns |= {"shared": "share", "seconds": "number"}
    cells = [
        [
            f"{words(row['name'])}{' (chosen)' if row['chosen'] else ''}",
            estimate(*(row[f"target_{name}"] for name in ("value", "low", "high"))),
            estimate(*(row[f"reference_{name}"] for name in ("value", "low", "high"))),
            row["labels"],
            estimate(row.get("shared")),
            round(row["seconds"], 1),
        ]
        for row in sorted(rows, key=lambda row: not row["applies"])
        if row["applies"]
    ]
    return Table("Every repair beside none, with 95 % intervals", columns, cells, headline=True, whole=True)


def _choice(rows: list[Row], about: dict[str, Any]) -> str:
    if about["labels"] and not about["no_labels_because"]:
        most = (
            f"the one whose worst class and {about['groups']} is best" if about.get("groups") else "the most accurate"
        )
        return (
            f"By {about['labels']:,} target labels: {most} on rows that it was not fitted to, if it is more than a "
            "standard error better than the choice without labels."
        )
    because = f" ({about['no_labels_because']})" if about["no_labels_because"] else ""
    if about.get("cause"):
        return (
            f"Without labels of the target{because}, by {about['images']:,} images of the reference after "
            f"{about['cause']}, which `explain` has proven to be the cause: the repair that classifies most of them "
            "correctly, if it is more than a standard error better than none. The head that is fitted to them is "
            "judged on those that it was not fitted to."
        )
    if not about["criterion"]:
        return f"No repair can be chosen without labels{because}: the reference has too few labels to compare with."
    if about["same_mix"]:
        return (
            f"Without labels{because}, for a target with the class shares of the reference: the alignment whose "
            "predictions say most of the classes, if they have these shares."
        )
    return (
        f"Without labels{because}, whatever the class shares: the alignment whose predictions say most of the classes, "
        "if they have the shares of the reference; or, of a model whose predictions say much, the repair after which a "
        "second head, fitted to the reference and repaired in the same way, clearly more often says the same."
    )

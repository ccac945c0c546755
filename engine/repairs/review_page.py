"""The page of a review of labels: which images to look at, or what share of the labels is wrong."""

from typing import Any

from gapscope.blocks import Answer, Block, Sentence, Table, estimate
from gapscope.blocks.formats import percent, points, span_of
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.evaluation.predicted_page import about_both, known_reference
from gapscope.repairs.queue_files import CSV, LABEL_STUDIO
from gapscope.repairs.review import NO_CLASS
from gapscope.runs.run import Run

NEXT, WHY, WORTH, SURE = "What to do", "Why these", "What it costs", "How sure"
STRATA = "strata"


def page(run: Run) -> list[Block]:
    """What a run of `verify-labels` has found."""
    about = run.json("about")
    return [*(_result(run, about) if about["reviewed"] else _queue(run, about)), *run.notes]


def _queue(run: Run, about: dict[str, Any]) -> list[Block]:
    rows, config = run.table("queue"), run.manifest.config
    words = ["--target", about["set"], "--labels", str(run.place / CSV), *run.kept("model", "count", "seed")]
    again = run.command("verify-labels", *words, about=config["run"])
    parts = {
        WHY: "Drawn at random from four kinds of images, more of those whose label the model contradicts.",
        NEXT: f"Write the right class into the column label of {CSV} ({NO_CLASS} where it is of no class), or use "
        f"{LABEL_STUDIO}, without looking at predictions; then run {again}.",
    }
    columns = {"image": "text", "given": "text"}
    cells = [[row[name] for name in columns] for row in rows]
    headline = f"{counted(len(rows), 'image')} of {about['set']} whose labels to review"
    return [Answer.of(headline, parts), Table("Images to review, in order", columns, cells, headline=True)]


def _result(run: Run, about: dict[str, Any]) -> list[Block]:
    share, change = about["errors"], about["change"]
    interval = span_of(*(share[name] for name in ("value", "low", "high")))
    headline = f"{percent(share['value'])} of the labels of {about['set']} are wrong ({interval})"
    reviewed = counted(about["reviewed"], "reviewed image")
    parts = {
        WORTH: _worth(about, change),
        NEXT: f"Have this as the line of wrong labels in a breakdown of a gap to or from {about['set']}: "
        f"{_gap(run, about)}.",
        SURE: f"From {reviewed} that stand for {about['images']:,}; the reviewer counts as right.",
    }
    rows = run.table(STRATA)
    columns = {"the model says": "text", "images": "count", "reviewed": "count", "wrong": "count", "share": "share"}
    cells = [
        [row["kind"], row["images"], row["reviewed"], row["wrong"], estimate(row["wrong"] / row["reviewed"])]
        for row in rows
    ]
    table = Table("Labels that were reviewed", columns, cells, headline=True)
    blocks: list[Block] = [Answer.of(headline, parts), table]
    if about["left_out"]:
        few = counted(about["left_out"], "reviewed image")
        blocks.append(Sentence(f"{few} were not drawn for this review, and are left out: they stand for no others."))
    return blocks


def _gap(run: Run, about: dict[str, Any]) -> str:
    """The command for the gap from the set that the model does well on, or from one to be named."""
    folder = Location.of(run.manifest.inputs[0].place)
    reference = known_reference(folder, about["set"]) or "SET"
    return about_both(run, "gap", folder, reference, about["set"], *run.kept("model"), "--verified", run.name)


def _worth(about: dict[str, Any], change: dict[str, float]) -> str:
    """Points that are no fault of the model."""
    interval = span_of(*(change[name] for name in ("value", "low", "high")))
    if change["low"] <= 0 <= change["high"]:
        first = f"Wrong labels change the accuracy by nothing beyond chance ({interval} points)."
    else:
        verb = "take" if change["value"] > 0 else "add"
        before, after = percent(about["accuracy"]), percent(about["accuracy"] + change["value"])
        first = (
            f"Wrong labels {verb} {points(change['value'])} of accuracy ({interval}): {about['model']} classifies "
            f"{before} as labelled and about {after} correctly."
        )
    return first

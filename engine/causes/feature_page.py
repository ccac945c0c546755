"""What a run of `explain` has found of features without images, as blocks: what happened to them, its proof."""

from collections.abc import Mapping
from typing import Any

from gapscope.blocks import Answer, Block, Heading, Sentence, Table, estimate
from gapscope.blocks.formats import in_brackets, listed, percent, span, upper
from gapscope.causes import page as images
from gapscope.causes.feature_record import FINDINGS
from gapscope.causes.proof import LEAST
from gapscope.causes.words import reproduced
from gapscope.core.text import counted
from gapscope.evaluation.page import BETWEEN, LOST, NEXT, SURE, WHY, between_text
from gapscope.runs.run import Run

Row = Mapping[str, Any]
# What tells more than features do.
IMAGES = (
    "What happened to the images cannot be told from features: where there are images, `extract` them, and `explain` "
    "names it in words."
)
OF_FILES = (
    "Such a change comes from how features are computed or written (another export, layer or preprocessing) rather "
    "than from the images."
)


def page(run: Run) -> list[Block]:
    """The answer first; that of images where the run has looked at some."""
    findings = run.json(FINDINGS)
    if findings is None:
        return images.page(run)
    return [answer(run, findings), *run.notes, *_blocks(findings)]


def answer(run: Run, findings: Row) -> Answer:
    """What happened to the features, what was lost, what proves it, what to do, and how sure that is."""
    parts = {
        LOST: images.lost_text(run, findings),
        BETWEEN: between_text(findings["model"], *images.sizes(findings)) if findings["model"] else "",
        WHY: _why(findings),
        NEXT: _next(run, findings) if findings["beyond_chance"] else [],
        SURE: _sure(findings),
    }
    return Answer.of(headline(findings), parts)


def headline(findings: Row) -> str:
    """The finding in one sentence, without its full stop."""
    between = f"from {findings['reference']} to {findings['target']}"
    if not findings["beyond_chance"]:
        return images.NO_SHIFT.format(between)
    cause = _named(findings)
    if cause:
        others = [one["words"] for one in findings["proofs"][1:] if one["rival"]]
        which = f", or {listed(others)}; these rows cannot tell which" if others else ""
        return f"{upper(between)}, features are {cause['words']}{which}"
    best = max(findings["proofs"], key=lambda one: one["explained"]["value"])
    value, low, high = (_share(best["explained"][name]) for name in ("value", "low", "high"))
    if value < LEAST:
        most = f"at most {percent(value)} of it is explained, by {best['name']}"
        return f"No simple change of the features explains the shift {between}: {most}"
    return (
        f"No change of the features {between} is proven by so few rows: {best['name']} is nearest, and explains "
        f"anything from {percent(low)} to {percent(high)} of the shift"
    )


def _named(findings: Row) -> Row | None:
    best = findings["proofs"][0] if findings["proofs"] else None
    return best if best and best["named"] else None


def _share(value: float) -> float:
    """A share explained, which is an estimate and may come out below 0 or above 1 by chance."""
    return min(max(value, 0.0), 1.0)


def _why(findings: Row) -> list[str]:
    cause = _named(findings)
    if cause is None:
        return []
    value, low, high = (_share(cause["explained"][name]) for name in ("value", "low", "high"))
    share = f"{percent(value)} of the distance between the sets{in_brackets(span(low, high))}"
    first = f"{upper(cause['name'])} ({cause['said']}): this explains {share}, by features and not by accuracy."
    made = reproduced(cause, findings["accuracies"], what="changed features of the reference")
    return [first, made, _rest(cause), OF_FILES if cause["of_files"] else ""]


def _rest(cause: Row) -> str:
    """What the change leaves unexplained."""
    if cause["complete"]:
        return ""
    return (
        "Whether it is all is not shown: changed features and the target's can still be distinguished (area under the "
        f"curve {cause['auc']:.2f}), by what so few rows do not fit exactly, or by something else."
    )


def _next(run: Run, findings: Row) -> list[str]:
    cause, config = _named(findings), run.manifest.config
    sets = [findings[side] for side in ("reference", "target")]
    if cause and cause["of_files"]:
        return [f"Compare how the features of {sets[0]} and {sets[1]} were computed and written before anything else."]
    if not findings["linear"]:
        return [IMAGES]
    model = ["--model", config["model"]] if config.get("model") else []
    command = run.command("repair", "--reference", sets[0], "--target", sets[1], *model, about=config["run"])
    return [f"What wins it back, tried on the features: {command}.", IMAGES]


def _sure(findings: Row) -> list[str]:
    p = images.chance_text(findings)
    if not findings["proofs"]:
        return [p]
    chosen, rows = findings["half"], findings["rows"][0]
    halves = f"Changes were fitted to and chosen by {counted(chosen, 'row')} of the reference and proven on {rows:,}."
    mix = "" if findings["labelled"][1] else (
        "The target has no labels, so another mix of its classes would look like a change of its features."
    )  # fmt: skip
    return [p, halves, mix]


def _blocks(findings: Row) -> list[Block]:
    """The proofs, and all changes that were tried."""
    if not findings["proofs"]:
        return []
    columns = {
        "change": "text",
        "features are": "text",
        "in numbers": "text",
        "explained": "share",
        "AUC left": "number",
        "accuracy": "share",
    }
    tried = [[one["name"], one["words"], estimate(_share(one["explained"]))] for one in findings["changes"]]
    about = Sentence(
        "Each change was fitted to rows of both sets and applied to others of the reference. Explained is the share of "
        "the distance to the target (squared MMD, each feature in its deviation over both sets, chance taken out) that "
        "this takes away; AUC left is how well a classifier of the features still tells the two, 0.5 for not at all. A "
        "change is named from two thirds on, with an interval above one third."
    )
    return [
        Heading("causes", "Changes, applied to the reference's features"),
        Table(
            "The change that was chosen, and the others that explain most, on rows that they were not fitted to",
            columns,
            [_row(one) for one in findings["proofs"]],
            headline=True,
            whole=True,
        ),
        about,
        Heading("tried", "All changes that were tried", folded=True),
        Table(
            f"All {counted(len(tried), 'change')} that were tried, on the rows that they were chosen by",
            {"change": "text", "features are": "text", "explained": "share"},
            tried,
        ),
    ]


def _row(one: Row) -> list[Any]:
    explained = images.estimate_of({name: _share(value) for name, value in one["explained"].items()})
    auc = round(one["auc"], 2)
    return [one["name"], one["words"], one["said"], explained, auc, images.estimate_of(one["accuracy"])]

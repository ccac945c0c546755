"""The page of a synthetic set: how much was made, what passed the checks, and how good it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from gapscope.blocks import Answer, Block, Figure, Heading, Sentence, Table
from gapscope.blocks.formats import listed
from gapscope.core.text import counted
from gapscope.runs.run import FIGURES, Run

SUMMARY, SHEET = "augment", "contact"
REASONS = {
    "copy_of_training": "copies of training images",
    "copy_of_test": "copies of test images",
    "off_manifold": "unlike any real one",
    "off_class": "taken for another class",
    "not_needed": "more than were wanted",
}
COLUMNS = {"class": "text", "real": "count", "wanted": "count", "made": "count", "kept": "count"}


def page(run: Run) -> list[Block]:
    """The page of a finished run."""
    summary, config = run.json(SUMMARY), run.manifest.config
    what, reasons = summary["what"], summary["reasons"]
    made = sum(reasons.values())
    headline = (
        f"{config['method']} made {made:,} {what}; {reasons['kept']:,} passed the checks"
        if reasons["kept"]
        else f"None of the {made:,} {what} that {config['method']} made passed the checks"
    )
    parts = {
        "How good": summary.get("plainly", summary["quality"]),
        "What was left out": [_reasons(reasons, summary["backbone"]), _kept(summary, config)],
        "Which classes": _short(summary["classes"], what),
        "What to do": _next(reasons["kept"], summary.get("next", "")),
    }
    return [
        Answer.of(headline[:1].upper() + headline[1:], parts),
        *run.notes,
        Table(f"Synthetic {what}", COLUMNS, summary["classes"], headline=True),
        *_sheets(run),
        Heading("quality", "How like the real ones"),
        *(Sentence(f"{sentence.rstrip('.')}.") for sentence in summary["quality"]),
    ]


def _reasons(reasons: Mapping[str, int], backbone: str) -> str:
    named = [f"{count:,} {REASONS[name]}" for name, count in reasons.items() if name != "kept" and count]
    left_out = f"{listed(named, len(named))}; " if named else "Nothing; "
    return f"{left_out}the checks use features of {backbone}."


def _kept(summary: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Why copies of training images are not left out, where some are kept."""
    if not summary.get("copies_kept"):
        return ""
    because = (
        "as --keep-copies asks" if config.get("keep_copies") else f"for {config['method']} makes new ones of these"
    )
    return f"{summary['copies_kept']:,} that are as near to a training image as a copy were kept, {because}."


def _short(classes: Sequence[Sequence[Any]], what: str) -> str:
    """The classes that did not get enough."""
    short = [name for name, _real, wanted, _made, passed in classes if passed < wanted]
    if not short or not any(row[-1] for row in classes):
        return ""
    verb = "has" if len(short) == 1 else "have"
    return f"{listed(short, 2)} {verb} fewer new {what} than were wanted; --surplus makes more to choose from."


def _next(passed: int, command: str) -> str:
    if not passed:
        return "The set adds nothing; a longer training may help, or another method."
    return f"Train with the new set: `{command}`" if command else ""


def _sheets(run: Run) -> list[Block]:
    """The classes with the fewest images together; a picture of each class lies beside it in the run folder."""
    if SHEET not in run.pictures:
        return []
    classes = counted(len([name for name in run.pictures if name.startswith(f"{SHEET}-")]), "class", "classes")
    alt = (
        "Real images, synthetic ones, and the training image nearest to each of these, of the rarest classes; there is "
        f"a picture for each of {classes} in the run's folder"
    )
    return [Figure(SHEET, run.place / FIGURES / f"{SHEET}.png", alt)]

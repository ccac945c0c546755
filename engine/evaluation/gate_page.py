"""The page of a gate: whether the new model may replace the old one, in one sentence and one table."""

from collections.abc import Sequence

from gapscope.blocks import Answer, Block, Estimate, Table
from gapscope.blocks.formats import listed, percent, signed, span
from gapscope.core.text import counted
from gapscope.evaluation.gate import FEWEST, LEVEL, Look
from gapscope.runs.run import Run

LOOKS, CHANGED, SURE = "looks", "What changed", "How sure"


def verdict(found: list[Look], new: str, old: str) -> str:
    """The gate in one sentence without its full stop."""
    worse = [one for one in found if one.is_worse]
    if not worse:
        return f"{new} is not worse than {old} beyond chance, in {counted(len(found), 'comparison')}"
    places = [
        f"{one.set_name}{', class ' * bool(one.class_name)}{one.class_name} ({signed(one.change)} points)"
        for one in worse
    ]
    return f"{new} is worse than {old} beyond chance on {listed(places)}"


def changed(found: list[Look]) -> list[str]:
    """What happened to the accuracy on each set, a sentence each."""
    return [
        f"Accuracy on {one.set_name} went from {percent(one.before)} to {percent(one.after)}: {signed(one.change)} "
        f"points ({span(*one.span)})."
        for one in found
        if not one.class_name
    ]


def page(run: Run) -> list[Block]:
    """What a run of `gate` has found."""
    about = run.json("about")
    return blocks([Look(**row) for row in run.table(LOOKS)], about["new"], about["old"], run.notes)


def blocks(found: list[Look], new: str, old: str, notes: Sequence[Block] = ()) -> list[Block]:
    """The answer, what has to be said of the rows, and every comparison, the worst first."""
    many = counted(len(found), "comparison")
    sure = [
        f"Each set, and each class with {FEWEST} images or more, is compared by an exact McNemar test, with Holm's "
        f"correction for {many}.",
        f"A new model that is no worse anywhere is stopped with a probability of {percent(LEVEL)} at most.",
    ]
    return [Answer.of(verdict(found, new, old), {CHANGED: changed(found), SURE: sure}), *notes, table(found)]


def table(found: list[Look]) -> Table:
    """A row for each look, by its p-value."""
    columns = {"set": "text", "class": "text", "images": "count", "old": "share", "new": "share"}
    columns |= {"change": "change", "adjusted p": "p"}
    cells = [
        [
            one.set_name,
            one.class_name or "all",
            one.n,
            one.before,
            one.after,
            Estimate(one.change, *one.span),
            one.adjusted_p,
        ]
        for one in sorted(found, key=lambda one: (one.adjusted_p, one.p))
    ]
    return Table("The new model beside the old one; p is one-sided, for being worse", columns, cells, headline=True)

"""The page of a gate: whether the new model may replace the old one, in one sentence and one table."""

from collections.abc import Sequence

from gapscope.blocks import Answer, Block, Table
from gapscope.blocks.formats import counted, listed, percent, signed
from gapscope.evaluation.gate import LEVEL, Look
from gapscope.runs.run import Run

LOOKS, SURE = "looks", "How sure"


def verdict(found: list[Look], new: str, old: str) -> str:
    """The gate in one sentence without its full stop."""
    worse = [one for one in found if one.is_worse]
    if not worse:
        return f"{new} is not worse than {old} beyond chance, in {counted(len(found), 'look')}"
    places = [
        f"{one.set_name}{', class ' * bool(one.class_name)}{one.class_name} ({signed(one.after - one.before)} points)"
        for one in worse
    ]
    return f"{new} is worse than {old} beyond chance on {listed(places)}"


def page(run: Run) -> list[Block]:
    """What a run of `gate` has found."""
    about = run.json("about")
    return blocks([Look(**row) for row in run.table(LOOKS)], about["new"], about["old"], run.notes)


def blocks(found: list[Look], new: str, old: str, notes: Sequence[Block] = ()) -> list[Block]:
    """The answer, what has to be said of the rows, and every look, the worst first."""
    tests = f"Exact McNemar tests on the same images, corrected by Holm over {counted(len(found), 'look')}"
    sure = f"{tests}: a model that is no worse anywhere fails with a probability of {percent(LEVEL)} at most."
    return [Answer.of(verdict(found, new, old), {SURE: sure}), *notes, table(found)]


def table(found: list[Look]) -> Table:
    """A row for each look, by its p-value."""
    columns = {"set": "text", "class": "text", "images": "count", "old": "share", "new": "share"}
    columns |= {"change": "change", "adjusted p": "p"}
    cells = [
        [one.set_name, one.class_name or "all", one.n, one.before, one.after, one.after - one.before, one.adjusted_p]
        for one in sorted(found, key=lambda one: (one.adjusted_p, one.p))
    ]
    return Table("The new model beside the old one; p is one-sided, for being worse", columns, cells, headline=True)

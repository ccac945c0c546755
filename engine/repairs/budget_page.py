"""The page of a budget: what n labels buy, in certainty and in points."""

from math import isnan

from gapscope.blocks import Answer, Block, Table, estimate
from gapscope.blocks.formats import points, signed
from gapscope.core.text import counted
from gapscope.repairs.fit import NOTHING
from gapscope.runs.run import Row, Run

MEASURE, REGAIN, SURE = "To measure", "To regain", "How sure"
DRAWN = ": intervals of gains hold 95 % of draws of so many labels, and sizes beyond the pilot have none."
UNKNOWN = (
    "Unknown: predictions alone are known of this model; `fit-incremental` trains a head whose gains are measured."
)


def page(run: Run) -> list[Block]:
    """What a run of `budget` has found."""
    rows, about = run.table("budget"), run.json("about")
    known = rows[0]["labels"] == 0  # else of a model of which predictions alone are known
    free, spent = rows[0], rows[known:]
    regained = [row for row in spent if row["draws"]]
    parts = {
        MEASURE: _measured(spent[2]),
        REGAIN: [_regained(free, regained, about), _hurts(free, regained)] if known else UNKNOWN,
        SURE: f"From a pilot of {counted(about['pilot'], 'labelled row')}"
        + (DRAWN if known else ", whose share of correct answers is taken for that of all."),
    }
    return [Answer.of(f"What labels of {about['target']} buy", parts), _table(rows), *run.notes]


def _measured(row: Row) -> str:
    said = f"{counted(row['labels'], 'label')} give the accuracy to {points(row['plain'])} each way"
    return f"{said}." if isnan(row["stratified"]) else f"{said}, {points(row['stratified'])} when drawn by confidence."


def _regained(free: Row, rows: list[Row], about: Row) -> str:
    pilot = f"on the {counted(about['pilot'], 'row')} of the pilot"
    none = f"Without labels {signed(free['gain'])} points {pilot}"
    if about["chosen"] == NOTHING:
        none = "Without labels nothing: no repair is chosen"
    if not rows:
        return f"{none}; the pilot is too small to say what labels add."
    best = max(rows, key=lambda row: row["gain"])
    may_be = f" ({signed(best['low'])} to {signed(best['high'])})"
    return f"{none}; with {best['labels']:,} of its labels {signed(best['gain'])}{may_be} on its other rows."


def _hurts(free: Row, rows: list[Row]) -> str:
    """Whether a number of labels gives less than none, in most draws."""
    worse = [row for row in rows if row["high"] < free["gain"]]
    return f"{counted(worse[-1]['labels'], 'label')} or fewer hurt: they give less than none." if worse else ""


def _table(rows: list[Row]) -> Table:
    columns = {"labels": "count", "accuracy known to, points each way": "number", "drawn by confidence": "number"}
    columns |= {"points regained": "change", "draws": "count"}
    cells = [
        [
            row["labels"],
            *(None if isnan(row[name]) else round(100 * row[name], 1) for name in ("plain", "stratified")),
            estimate(row["gain"], row["low"], row["high"]),
            row["draws"],
        ]
        for row in rows
    ]
    return Table("What labels buy, with 95 % intervals", columns, cells, headline=True, whole=True)

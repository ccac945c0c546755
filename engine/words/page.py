"""What a run of `words` has found, as blocks: phrases that fit the target more or less, their points, how sure."""

from collections.abc import Mapping, Sequence
from typing import Any

from gapscope.blocks import Answer, Block, Estimate, Heading, Sentence, Table, estimate
from gapscope.blocks.blocks import Cell
from gapscope.blocks.formats import listed, percent, upper
from gapscope.core.text import counted
from gapscope.evaluation.page import NEXT, SURE, WHY
from gapscope.runs.run import Run

Row = Mapping[str, Any]
FINDINGS, PHRASES = "words", "phrases"
NAMED, SHOWN = 3, 100
NEAREST = "A phrase that moved is the nearest of those that were asked, and need not name the cause."
FOUND_COLUMNS = {
    "phrase": "text",
    "about": "text",
    "fits the target": "text",
    "in so many comparisons": "share",
    "accuracy": "change",
    "largest nonsense": "share",
    "also": "text",
}
PHRASE_COLUMNS = {"phrase": "text", "about": "text", "change of the cosine": "number", "p": "p", "R²": "number"}


def page(run: Run) -> list[Block]:
    """The answer first; empty for a run that has none."""
    findings = run.json(FINDINGS)
    if findings is None:
        return []
    return [answer(findings), *run.notes, *_found(findings), *_phrases(run, findings)]


def headline(findings: Row) -> str:
    """The finding in one sentence, without its full stop."""
    found = findings["found"]
    if not found:
        return f"No phrase fits {findings['target']} otherwise than {findings['reference']}, beyond chance and nonsense"
    words = listed([f"“{one['text']}”" for one in found[:NAMED] if one["change"] > 0])
    if words:
        return f"The images of {findings['target']} fit {words} better than those of {findings['reference']}"
    words = listed([f"“{one['text']}”" for one in found[:NAMED]])
    return f"The images of {findings['target']} fit {words} less than those of {findings['reference']}"


def answer(findings: Row) -> Answer:
    """The phrases, what they cost, and how sure that is."""
    found = findings["found"]
    parts = {
        WHY: [sentence(one) for one in found[:NAMED]],
        NEXT: "Look at the images: in `explore`, the search for a phrase shows those that fit it best."
        if found
        else "",
        SURE: _sure(findings),
    }
    return Answer.of(headline(findings), parts)


def sentence(one: Row) -> str:
    """One phrase: how far it moved, and what that costs."""
    share = one["above"] if one["change"] > 0 else 1 - one["above"]
    way = "better" if one["change"] > 0 else "less well"
    first = f"“{upper(one['text'])}” fits an image of the target {way} in {percent(share)} of comparisons"
    return f"{first}{_cost(one['points'])}."


def _cost(points: Row | None) -> str:
    if points is None:
        return ""
    if not points["matters"]:
        return "; what that costs cannot be distinguished from nothing"
    span = f"{abs(100 * points['value']):.1f}"
    low, high = sorted(abs(100 * points[name]) for name in ("low", "high"))
    verb = "costs" if points["value"] < 0 else "wins"
    return f", which {verb} {span} points ({low:.1f} to {high:.1f})"


def _sure(findings: Row) -> list[str]:
    """What the findings stand on."""
    mix = "at the same class mix" if findings["same_mix"] else "without labels, so that other classes may be what moved"
    through = f" through a map from its features to those of {findings['through']}" if findings["through"] else ""
    phrases = f"{counted(findings['tested'], 'phrase')} and {findings['nonsense']} nonsense phrases"
    tested = f"{phrases} were compared{through}, {mix}."
    refused = findings["refused"]
    left = f"{counted(refused, 'phrase')} were left out, because the map does not carry them." if refused else ""
    near = NEAREST if findings["found"] else ""
    return [part for part in (tested, _zero_shot(findings["zero_shot"]), left, near) if part]


def _zero_shot(counts: Sequence[int] | None) -> str:
    if counts is None:
        return ""
    right, n, classes = counts
    share = percent(right / n)
    return f"The nearest class phrase is the label of {share} of {n:,} images ({classes} classes)."


def _points(points: Row | None) -> Estimate | None:
    return estimate(points["value"], points["low"], points["high"]) if points else None


def _found(findings: Row) -> list[Block]:
    cells: list[Sequence[Cell]] = [
        [
            one["text"],
            one["group"],
            "better" if one["change"] > 0 else "less well",
            one["above"] if one["change"] > 0 else 1 - one["above"],
            _points(one["points"]),
            one["nonsense"],
            ", ".join(one["alike"]),
        ]
        for one in findings["found"]
    ]
    about = Sentence(
        "Each phrase is compared with what the phrases above it explain taken out; the largest change of nonsense "
        "is given as a share of its change. Accuracy is what that of the reference's images changes by when they are "
        "weighted so that the phrase fits them as it fits the target's. A phrase measures what it says with noise, so "
        "that this is rather too little, and the interval may end before the true change."
    )
    if not cells:
        return []
    return [Heading(FINDINGS, "Phrases"), Table("Phrases that moved", FOUND_COLUMNS, cells, headline=True), about]


def _phrases(run: Run, findings: Row) -> list[Block]:
    rows = run.table(PHRASES)
    columns = {name: kind for name, kind in PHRASE_COLUMNS.items() if name != "R²" or findings["through"]}
    cells = [[row["text"], row["group"], row["change"], row["p"], row["r2"]][: len(columns)] for row in rows[:SHOWN]]
    caption = f"The {len(cells)} phrases that moved most by themselves, of {len(rows):,}"
    return [Table(caption, columns, cells)] if cells else []

"""What attributes and columns say of a gap, as blocks: what moved, what it costs, slices."""

from collections.abc import Mapping, Sequence
from typing import Any

from gapscope.attributes.columns import wording
from gapscope.attributes.moved import LEVEL, move_of
from gapscope.attributes.page import ABOUT, ASSOCIATION, sentences, table
from gapscope.blocks import Block, Heading, Sentence, Table, estimate
from gapscope.blocks.blocks import Cell
from gapscope.blocks.formats import points
from gapscope.core.text import counted
from gapscope.runs.run import Row, Run

MOVED, TERMS, SLICES = "attributes", "attribute-terms", "slices"
NAMED = 5
# Of those, in the answer.
ANSWERED = 2
TERM_COLUMNS = {
    "attribute": "text",
    "more such images": "change",
    "such images got harder": "change",
    "no such images in both": "change",
    "p, more such images": "p",
    "p, unequally harder": "p",
}
SLICE_COLUMNS = {
    "slice": "text",
    "images": "count",
    "errors": "count",
    "points lost": "change",
    "the others": "change",
    "adjusted p": "p",
}
TERMS_ABOUT = (
    "Each line splits the gap by the bins of one attribute, and sums to it: the target has more images of bins that "
    "are hard in both sets; images within the bins that both sets have got harder; and images of bins of which one "
    "set has fewer than ten, which cannot be compared. Attributes go along with each other, so the lines do not add "
    "up. P-values are corrected for all attributes."
)
UNPROVEN = "This alone does not prove that it changed accuracy."
SLICES_ABOUT = (
    "Slices were looked for on one half of the images and tested on the other; what they lost is drawn towards what "
    "the other images lost, as far as noise demands, and counted against images of the same classes. At most one in "
    "twenty of them is there by chance."
)


def image_blocks(run: Run) -> list[Block]:
    """Nothing where the images are not known."""
    moved = [move_of(row) for row in run.table(MOVED)]
    terms = run.table(TERMS)
    if not moved and not terms:
        return []
    return [
        Heading("images", "What is different about the images, and what it costs"),
        *(Sentence(one) for one in sentences(moved, NAMED) or ["No attribute of the images moved beyond chance."]),
        table("Attributes of the images", moved),
        Sentence(f"{ABOUT} {ASSOCIATION}"),
        *_term_blocks(terms),
        *_slice_blocks(run),
    ]


def _term_blocks(terms: Sequence[Row]) -> list[Block]:
    cells = [_term(row) for row in terms]
    caption = "What attributes have to do with the gap, one at a time"
    said = [text for row in terms for text in _costs(row)][:NAMED]
    about = [*map(Sentence, said), Sentence(TERMS_ABOUT)]
    return [Table(caption, TERM_COLUMNS, cells), *about] if cells else []


def _term(row: Mapping[str, Any]) -> list[Cell]:
    terms = (estimate(*(row[f"{name}{end}"] for end in ("", "_low", "_high"))) for name in ("more", "harder", "apart"))
    return [wording(row["name"]).label, *terms, row["more_p"], row["uneven_p"]]


def _costs(row: Mapping[str, Any]) -> list[str]:
    """What can be said of one attribute."""
    label = wording(row["name"]).label
    if row["more_p"] <= LEVEL and row["matters_p"] <= LEVEL:
        verb = "costs" if row["more"] > 0 else "saves"
        return [f"The target's other mix of images by {label} {verb} {points(row['more'])}."]
    return [_unequal(row)] if _is_unequal(row) else []


def _is_unequal(row: Mapping[str, Any]) -> bool:
    """Whether images of one bin lost more than the others beyond chance."""
    return row["uneven_p"] <= LEVEL and row["worst_drop"] > max(row["others_drop"], 0)


def _unequal(row: Mapping[str, Any]) -> str:
    return f"Images of {row['worst']} lost {points(row['worst_drop'])}, the others {_moved(row['others_drop'])}."


def _moved(drop: float) -> str:
    return f"lost {points(drop)}" if drop >= 0 else f"gained {points(drop)}"


def _slice_blocks(run: Run) -> list[Block]:
    rows = run.table(SLICES)
    if not rows:
        more = " but those of single attributes above" if any(map(_is_unequal, run.table(TERMS))) else ""
        return [Sentence(f"No slice by up to three attributes{more} lost more than the rest beyond chance.")]
    cells = [
        [
            row["slice"],
            row["images"],
            row["errors"],
            estimate(row["drop"], row["low"], row["high"]),
            row["others"],
            row["p"],
        ]
        for row in rows
    ]
    alone = [row["slice"] for row in rows if row["alone"]]
    none = [Sentence(f"The reference has hardly any images of: {'; '.join(alone)}.")] if alone else []
    caption = "Slices of the target that lost more than its other images"
    return [Table(caption, SLICE_COLUMNS, cells, headline=True), *none, Sentence(SLICES_ABOUT)]


def moved_text(run: Run) -> str:
    """What moved most in the images, for the answer; empty where nothing did beyond chance, or it is not known."""
    said = sentences([move_of(row) for row in run.table(MOVED)], ANSWERED)
    return " ".join([*said, UNPROVEN]) if said else ""


def slice_text(run: Run) -> str:
    """The slice that lost most images beyond the others, for the answer; empty where there is none.

    Where half of the images show no slice, the attribute by which all of them lost most unequally, at half the level,
    since two things were looked for.
    """
    rows = run.table(SLICES)
    if not rows:
        unequal = [row for row in run.table(TERMS) if _is_unequal(row) and row["uneven_p"] <= LEVEL / 2]
        unequal.sort(key=lambda row: row["uneven_p"])
        return _unequal(unequal[0]) if unequal else ""
    worst = rows[0]
    more = f" ({counted(len(rows) - 1, 'more slice')} in the table)" if len(rows) > 1 else ""
    return (
        f"Images with {worst['slice']} lost {points(worst['drop'])}, the others {_moved(worst['others'])}{more}."
        if worst["drop"] > 0
        else ""
    )

"""How attributes and columns that moved are worded: a sentence each, and a table."""

from collections.abc import Sequence

from gapscope.attributes.columns import kind_of, wording
from gapscope.attributes.moved import Changed, Move, beyond_chance
from gapscope.blocks import Table, estimate
from gapscope.blocks.blocks import Cell
from gapscope.blocks.formats import percent

COLUMNS = {
    "attribute": "text",
    "reference": "text",
    "target": "text",
    "effect": "number",
    "adjusted p": "p",
}
ABOUT = (
    "Numbers are medians. The effect is 0 where nothing moved, and 1 or -1 where every image of the target has more, "
    "or less, than every image of the reference; of values, the share of the images that would need another one. "
    "P-values are corrected for all attributes and columns together (Holm)."
)
ASSOCIATION = (
    "What moved goes along with the shift and need not be what costs accuracy; `explain` proves causes on the images "
    "of the reference."
)


def sentences(moved: Sequence[Move], most: int) -> list[str]:
    """What moved beyond chance, those that moved most first, one of a kind: others of a kind go along."""
    kinds: dict[str, str] = {}
    for one in beyond_chance(moved):
        kinds.setdefault(kind_of(one.name), f"{one.sentence}.")
    return list(kinds.values())[:most]


def table(caption: str, moved: Sequence[Move], *, headline: bool = False) -> Table:
    """A row for each column."""
    return Table(caption, COLUMNS, [_row(one) for one in moved], headline=headline)


def _row(one: Move) -> list[Cell]:
    column = wording(one.name)
    if isinstance(one, Changed):
        shares = (f"{one.value} {percent(share)}" for share in (one.reference, one.target))
        return [column.label, *shares, estimate(one.effect), one.p]
    low, high = 2 * one.low - 1, 2 * one.high - 1
    # Where every image is beyond every other, resampling cannot say how sure that is.
    effect = estimate(one.effect, low, high) if low < high else estimate(one.effect)
    medians = (f"{column.show(value)} {column.unit}".rstrip() for value in (one.reference, one.target))
    return [column.label, *medians, effect, one.p]

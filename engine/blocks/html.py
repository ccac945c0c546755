"""Blocks as HTML that needs nothing else: a fragment for a notebook's cell, and a page for any browser."""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple, Protocol, TypeGuard

from jinja2 import Environment, PackageLoader, StrictUndefined

from gapscope.blocks.blocks import (
    Answer,
    Block,
    Cell,
    Estimate,
    Figure,
    Gallery,
    Heading,
    Kind,
    Table,
    Warning,
    sections,
)
from gapscope.blocks.formats import NONE, interval_text, parts_of, value_of, value_text

# Bars of intervals: their width and the margin at their ends, in the units of the drawing.
WIDTH, MARGIN = 120.0, 4.0
BARS = ("share", "change")
# Letters from which on a text cell is given more room.
LONG, WIDE = 40, 14
# What a line never ends within: the name of an option, and a number with its percent sign.
WHOLE = re.compile(r"((?<!\S)--[\w-]+|[\d.,]+ %)")
DASH, MINUS = "–", "−"
# What `gapscope.draw.png` writes near the beginning of a picture that shows no photograph.
DRAWN, HEAD = b"tEXtDrawn", 4096
# Where a PNG says how many pixels wide it is, and from how many on a narrow screen shows a part of it at a time.
WIDTH_IN_PNG, LETTERED = slice(16, 20), 640
# Rows from which on a table scrolls within its frame, and those from which on their number is said and cards scroll;
# columns from which on a table is set more closely, and above which a narrow screen shows each row as a card.
TALL, SEEN, MANY, FITTING = 25, 10, 5, 3
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{}'"


class Part(NamedTuple):
    """What stands folded below a page, such as another run: an anchor, a title and its own blocks."""

    name: str
    title: str
    blocks: Sequence[Block]


class Section(NamedTuple):
    """Blocks below a heading as the templates read them; `opened` says whether they are seen without a click."""

    key: str
    title: str
    blocks: Sequence[tuple[str, Block]]
    opened: bool


def fragment(blocks: Sequence[Block]) -> str:
    """HTML for a cell of a notebook: the colours of the notebook, and sections without a headline folded."""
    lead, below = _split(blocks, "", lambda heading, within: any(getattr(one, "headline", False) for one in within))
    return _render("fragment.html.j2", lead=lead, sections=below)


def document(title: str, blocks: Sequence[Block], parts: Sequence[Part] = ()) -> str:
    """A page that needs no network and no script: the answer, warnings, sections, and `parts` folded.

    All text is escaped, and its content security policy lets nothing be fetched and no other script run. What is
    folded opens for a search, a link and a printer.
    """
    lead, below = _split(blocks, "", lambda heading, within: not heading.folded)
    answer = next((block for block in blocks if isinstance(block, Answer)), None)
    warnings = [block for block in blocks if isinstance(block, Warning)]
    shown = [(kind, block) for kind, block in lead if block is not answer and kind != "warning"]
    return _render(
        "page.html.j2",
        title=title,
        answer=answer,
        warnings=warnings,
        lead=shown,
        sections=below,
        parts=[(one, *_split(one.blocks, f"{one.name}-", lambda heading, within: not heading.folded)) for one in parts],
        script=_script(),
        policy=POLICY.format(b64encode(sha256(_script().encode()).digest()).decode()),
    )


def _split(
    blocks: Sequence[Block], prefix: str, opened: Callable[[Heading, Sequence[Block]], bool]
) -> tuple[list[tuple[str, Block]], list[Section]]:
    """The blocks before the first heading, and the sections after it; anchors begin with `prefix`."""
    lead, below = [], []
    for heading, within in sections(blocks):
        if heading is None:
            lead = _kinds(within)
        else:
            below.append(Section(prefix + heading.name, heading.title, _kinds(within), opened(heading, within)))
    return lead, below


def _kinds(blocks: Sequence[Block]) -> list[tuple[str, Block]]:
    """Each block with the name of its class, which is the name of its macro; tables and galleries without rows go."""
    full = [block for block in blocks if _is_full(block)]
    return [(type(block).__name__.lower(), block) for block in full]


def _is_full(block: Block) -> bool:
    return bool(block.rows if isinstance(block, Table) else block.images if isinstance(block, Gallery) else block)


def _render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gapscope.blocks"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"written": written, "interval": interval, "order": order, "code": parts_of, "whole": whole}
    environment.globals |= {
        "axis_of": axis_of,
        "bar": bar,
        "tall": TALL,
        "seen": SEEN,
        "many": MANY,
        "fitting": FITTING,
        "width_of": width_of,
        "picture": picture,
    }
    return environment


@cache
def _script() -> str:
    return (files("gapscope.blocks") / "templates" / "page.js").read_text(encoding="utf-8")


def written(cell: Cell, kind: Kind) -> str:
    """A cell without its interval, with the signs of print.

    >>> written(Estimate(-0.031), "change"), written(None, "share")
    ('−3.1', '–')
    """
    text = value_text(cell, kind)
    return text if kind == "text" else DASH if text == NONE else text.replace("-", MINUS)


def interval(cell: Cell, kind: Kind) -> str:
    """The interval of a cell with the signs of print; empty where there is none."""
    return interval_text(cell, kind).replace("-", MINUS)


def whole(text: str) -> list[tuple[str, bool]]:
    """A text in its parts, and which of them a line must not end within.

    >>> whole("loses 3.1 % now"), whole("gap --l2-grid a--b")
    ([('loses ', False), ('3.1 %', True), (' now', False)], [('gap ', False), ('--l2-grid', True), (' a--b', False)])
    """
    return [(part, bool(place % 2)) for place, part in enumerate(WHOLE.split(text)) if part]


def order(cell: Cell, kind: Kind) -> str:
    """What a column is sorted by: a number, or the text itself; empty for nothing, which stands last."""
    value = value_of(cell)
    return "" if value is None else str(value) if kind == "text" else repr(float(value))


def width_of(cell: Cell, kind: Kind) -> str:
    """The class of a cell with a text that needs room, or that says nothing."""
    letters = len(str(cell)) if kind == "text" else 1
    return " empty" if not letters else " long" if letters > LONG else " wide" if letters > WIDE else ""


class Axis(NamedTuple):
    """The column whose intervals are drawn, and the ends of its axis; a column before the first where there is none."""

    place: int
    ends: tuple[float, float] | None


def axis_of(table: Table) -> Axis:
    """The first column of a table that has intervals of shares or of changes."""
    for place, kind in enumerate(table.columns.values()):
        cells = [cell for cell in (row[place] for row in table.rows) if _has_interval(cell)]
        if kind in BARS and len(cells) > 1:
            low, high = min(cell.low for cell in cells), max(cell.high for cell in cells)
            return Axis(place, (low, high) if high > low else None)
    return Axis(-1, None)


class Measured(Protocol):
    """An estimate that has its interval."""

    value: float
    low: float
    high: float


def _has_interval(cell: Cell) -> TypeGuard[Measured]:
    return isinstance(cell, Estimate) and None not in cell


def bar(cell: Cell, axis: tuple[float, float]) -> dict[str, float | None] | None:
    """Where the interval, its value and zero stand in a drawing `WIDTH` wide; zero only if it is on the axis."""
    if not _has_interval(cell):
        return None
    low, high, value, zero = (_along(one, axis) for one in (cell.low, cell.high, cell.value, 0.0))
    return {"low": low, "high": high, "value": value, "zero": zero if axis[0] < 0 < axis[1] else None}


def _along(value: float, axis: tuple[float, float]) -> float:
    return round(MARGIN + (WIDTH - 2 * MARGIN) * (value - axis[0]) / (axis[1] - axis[0]), 1)


def picture(figure: Figure) -> tuple[str, str]:
    """A figure as a ``data:`` address, and its classes: `drawn` where dark pages may exchange its light and dark,
    `lettered` where a narrow screen must not make its letters smaller.
    """
    png = figure.png()
    classes = ["drawn"] * (DRAWN in png[:HEAD]) + ["lettered"] * (int.from_bytes(png[WIDTH_IN_PNG]) > LETTERED)
    return data_address(png, "png"), " ".join(classes)


def data_address(content: bytes, kind: str) -> str:
    """An image as a ``data:`` address."""
    return f"data:image/{kind};base64,{b64encode(content).decode()}"

"""Blocks as plain values for JSON: whatever a page says, for a program to read."""

import math
from collections.abc import Iterable
from typing import Any

from gapscope.blocks.blocks import Answer, Block, Cell, Estimate, Figure, Gallery, Heading, Sentence, Table, Warning
from gapscope.core.location import Location


def plain(blocks: Iterable[Block]) -> list[dict[str, Any]]:
    """An object for each block, whose ``kind`` is answer, heading, sentence, warning, table, figure or gallery.

    Numbers are as they are, shares as fractions of one; what is not finite is null. Figures name their file, where they
    have one; the images of galleries are named, not contained.
    """
    return [{"kind": type(block).__name__.lower(), **_content(block)} for block in blocks]


def _content(block: Block) -> dict[str, Any]:
    match block:
        case Answer():
            parts = [{"name": name, "text": text} for name, text in block.parts]
            return {"headline": block.headline, "parts": parts}
        case Heading():
            return {"name": block.name, "title": block.title}
        case Sentence() | Warning():
            return {"text": block.text}
        case Table():
            columns = [{"name": name, "kind": kind} for name, kind in block.columns.items()]
            return {"caption": block.caption, "columns": columns, "rows": [list(map(_cell, row)) for row in block.rows]}
        case Figure():
            file = str(block.place) if isinstance(block.place, Location) else None
            return {"name": block.name, "file": file, "alt": block.alt, "caption": block.caption}
        case Gallery():
            images = [{key: value for key, value in one._asdict().items() if key != "src"} for one in block.images]
            return {"title": block.title, "images": images}


def _cell(cell: Cell) -> Any:
    """A number, a text, nothing, or a value with its interval."""
    if isinstance(cell, Estimate):
        return {name: _finite(value) for name, value in cell._asdict().items()}
    return _finite(cell)


def _finite(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""Blocks as a Markdown page, such as those of studies."""

import re
from collections.abc import Sequence

from gapscope.blocks.blocks import Answer, Block, Figure, Gallery, Heading, Sentence, Table, Warning
from gapscope.blocks.formats import cell_text, parts_of

# What Markdown would take for markup: marks anywhere, underscores at the edge of a word, and tags.
MARKUP = re.compile(r"[\\`*\[\]|]|(?<!\w)_|_(?!\w)|<(?=[A-Za-z/!?])")


def page(title: str, blocks: Sequence[Block], figures: str = "figures") -> str:
    """The page of a title and `blocks`, whose pictures lie in the folder `figures`, as seen from the page."""
    texts = [f"# {_escaped(title)}", *(_text(block, figures) for block in blocks)]
    return "\n\n".join(text for text in texts if text) + "\n"


def _text(block: Block, figures: str) -> str:
    match block:
        case Answer():
            parts = [f"* **{_escaped(name)}:** {_sentence(text)}" for name, text in block.parts]
            return "\n".join([f"**{_escaped(block.headline)}.**", "", *parts]).rstrip()
        case Heading():
            return f"## {_escaped(block.title)}"
        case Sentence():
            return _sentence(block.text)
        case Warning():
            return f"> **Warning:** {_sentence(block.text)}"
        case Table():
            return _table(block)
        case Figure():
            return f"![{_escaped(block.alt)}]({figures}/{block.name}.png)"
        case Gallery():
            return ""


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    head = f"| {' | '.join(map(_escaped, table.columns))} |"
    rule = f"|{'|'.join('---' if kind == 'text' else '---:' for kind in table.columns.values())}|"
    kinds = list(table.columns.values())
    rows = [
        f"| {' | '.join(_escaped(cell_text(cell, kind)) for cell, kind in zip(row, kinds, strict=True))} |"
        for row in table.rows
    ]
    return "\n".join([f"{_escaped(table.caption)}:", "", head, rule, *rows])


def _sentence(text: str) -> str:
    return "".join(f"`{part}`" if command else _escaped(part) for part, command in parts_of(text))


def _escaped(text: str) -> str:
    """The text as Markdown that shows exactly this text.

    >>> _escaped("[/red] <b> a*b snake_case 3 < 4")
    '\\\\[/red\\\\] &lt;b> a\\\\*b snake_case 3 < 4'
    """
    return MARKUP.sub(lambda result: "&lt;" if result[0] == "<" else f"\\{result[0]}", text)

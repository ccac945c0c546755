"""Blocks as a Markdown page, such as those of studies."""

from collections.abc import Sequence

from gapscope.blocks.blocks import Answer, Block, Figure, Gallery, Heading, Sentence, Table, Warning
from gapscope.blocks.formats import cell_text


def page(title: str, blocks: Sequence[Block], figures: str = "figures") -> str:
    """The page of a title and `blocks`, whose pictures lie in the folder `figures`, as seen from the page."""
    texts = [f"# {title}", *(_text(block, figures) for block in blocks)]
    return "\n\n".join(text for text in texts if text) + "\n"


def _text(block: Block, figures: str) -> str:
    match block:
        case Answer():
            parts = [f"* **{name}:** {text}" for name, text in block.parts]
            return "\n".join([f"**{block.headline}.**", "", *parts]).rstrip()
        case Heading():
            return f"## {block.title}"
        case Sentence():
            return block.text
        case Warning():
            return f"> **Warning:** {block.text}"
        case Table():
            return _table(block)
        case Figure():
            return f"![{block.alt}]({figures}/{block.name}.png)"
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
    return "\n".join([f"{table.caption}:", "", head, rule, *rows])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")

"""Blocks on a terminal: the answer first, then the tables and sentences that matter most, or all of them."""

import re
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from gapscope.blocks.blocks import Answer, Block, Figure, Gallery, Heading, Sentence, Table, Warning
from gapscope.blocks.formats import cell_text, parts_of
from gapscope.core.text import counted

# Rows of a table that are shown at first; so many more are not worth hiding.
ROWS, FEW = 5, 2
# What ends a sentence, or a part of it, right behind a command.
STOP = re.compile(r"\A[.,;:](\s+|$)")


def show(blocks: Sequence[Block], console: Console, *, everything: bool = False) -> None:
    """Print `blocks`: answers, warnings and what is a headline; with `everything` all that is not a picture."""
    hidden = 0
    for block in blocks:
        match block:
            case Answer():
                _answer(block, console)
            case Warning():
                line(console, f"Warning: {pasteable(block.text)}", "yellow")
            case Sentence() if everything or block.headline:
                line(console, pasteable(block.text))
            case Table() if everything or block.headline:
                hidden += _table(block, console, None if everything or block.whole else ROWS)
            case Heading() if everything:
                line(console, f"\n{block.title}", "bold")
            case Sentence() | Table():
                hidden += 1
            case Figure() | Gallery() | Heading():
                pass
    if hidden:
        line(console, f"{counted(hidden, 'more line or table', 'more lines and tables')} with --all", "dim")


def pasteable(text: str) -> str:
    """A sentence without the backticks around its commands, whose line ends where a full stop would touch their words.

    >>> print(pasteable("Repair it: `gapscope repair a --target b/test`. Then ask `gap`."))
    Repair it: gapscope repair a --target b/test
        Then ask gap.
    """
    written, after = "", False
    for part, command in parts_of(text):
        written += STOP.sub("\n    ", part) if after else part
        after = command and " " in part
    return written.rstrip()


def line(console: Console, text: str, style: str | None = None) -> None:
    """Print one line of plain text: brackets are text too, and a long line is left to the terminal to break."""
    console.print(text, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)


def _answer(answer: Answer, console: Console) -> None:
    line(console, f"{answer.headline}.", "bold")
    for name, text in answer.parts:
        line(console, f"  {name}: {pasteable(text)}")


def _table(table: Table, console: Console, most: int | None) -> int:
    """Print a table's first rows, and count the others."""
    if not table.rows:
        return 0
    shown = table.rows if most is None or len(table.rows) <= most + FEW else table.rows[:most]
    drawn = RichTable(title=Text(table.caption), title_justify="left", title_style="bold")
    for name, kind in table.columns.items():
        drawn.add_column(Text(name), justify="left" if kind == "text" else "right", overflow="fold")
    for row in shown:
        cells = zip(row, table.columns.values(), strict=True)
        drawn.add_row(*(Text(cell_text(cell, kind)) for cell, kind in cells))
    console.print(drawn)
    return len(table.rows) - len(shown)

"""Markup in names of classes, files and models neither crashes nor vanishes, whatever shows it."""

import io
import re

import pytest
from rich.console import Console

from gapscope.blocks import Answer, Heading, Sentence, Table, Warning
from gapscope.blocks.markdown import page
from gapscope.blocks.terminal import show
from gapscope.runs.result import RunResult

NAMES = [
    "[/red]",
    "[bold]x",
    "<b>",
    "a`b",
    "`",
    "*star*",
    "_a_",
    "a|b",
    "\\",
    "[link](x)",
    ":smile:",
    "{x}",
    "$x$",
    "&lt;",
]


def blocks_of(name):
    return [
        Answer(f"Accuracy of {name} falls", ((f"Why {name}", f"Because of {name} now"),)),
        Heading("classes", f"Classes of {name}"),
        Warning(f"Careful with {name}!"),
        Sentence(f"Seen: {name} here", headline=True),
        Table(f"Recall of {name}", {f"class {name}": "text"}, [[f"cell {name}"]], headline=True),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_terminal_shows_names_as_they_are(name):
    stream = io.StringIO()
    show(blocks_of(name), Console(file=stream, width=200, force_terminal=False), everything=True)
    text = stream.getvalue()
    for words in ("Accuracy of {} falls", "Why {}", "Because of {} now", "Careful with {}!", "Seen: {} here",
                  "Recall of {}", "class {}", "cell {}", "Classes of {}"):  # fmt: skip
        assert words.format(name) in text


def rendered(text):
    """What a Markdown page shows: backslashes and entities are undone, and no tag may be left."""
    assert not re.search(r"<[A-Za-z/!]", text)
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text).replace("&lt;", "<")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "&lt;"])
def test_markdown_shows_names_as_they_are(name):
    text = rendered(page(name, blocks_of(name)))
    for words in ("# {}", "Accuracy of {} falls", "Because of {} now", "Seen: {} here", "class {}", "cell {}"):
        assert words.format(name) in text


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_names_as_they_are(name):
    import html

    shown = RunResult("gap", "", 0.0, blocks=blocks_of(name))._repr_html_()
    text = html.unescape(re.sub(r"<style>.*?</style>|</?[a-z][^>]*>", "", shown, flags=re.S))
    assert text.count(name) >= 8


@pytest.mark.parametrize(("rows", "seen"), [(5, 5), (7, 7), (8, 5), (30, 5)])
def test_a_terminal_hides_no_row_or_two(rows, seen):
    console = Console(file=io.StringIO(), width=100)
    show([Table("Rows", {"row": "text"}, [[f"row{place}."] for place in range(rows)], headline=True)], console)
    text = console.file.getvalue()
    assert len(re.findall(r"row\d+\.", text)) == seen
    assert ("--all" in text) == (seen < rows)

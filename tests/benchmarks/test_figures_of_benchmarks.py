"""The figures in the tables of benchmarks/README.md are those of the kept results."""

import json
import re

import pytest

from benchmarks import compare

PAGE = compare.RESULTS.parent / "README.md"
# What a figure of a result may be shown in: itself, per cent, thousandths, thousands, MiB, GB.
UNITS = (1, 1e2, 1e3, 1e-3, 2.0**-20, 1e-9)
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
# A column that says what was asked for; what a cell says of how something was run, and what stands behind that.
ASKED = "wanted"
NOTES = re.compile(r";.*|\(.*?\)|\d[\d,]* (rows|classes|heads|workers)\b|the first .*")


def sections():
    """The heading, the text and the results of each section that has tables and names results as JSON."""
    for part in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        names = re.findall(r"results/([\w]+\.json)", part)
        if names and "\n|" in part:
            yield pytest.param(part, names, id=part.splitlines()[0])


def cells(part):
    """The cells of the tables of a section that say what was measured: neither the first column nor what was wanted."""
    head = []
    for line in part.splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if row and not head:
            head = row
        elif row and not set(line) <= set("|-"):
            yield from (cell for name, cell in zip(head[1:], row[1:], strict=True) if name != ASKED)
        head = head if row else []


def is_a_figure(token, values):
    """Whether a number of the page is one of ``values`` in some unit, rounded to the digits that are shown."""
    digits, shown = len(token.partition(".")[2]), float(token.replace(",", ""))
    return any(abs(abs(one) * unit - shown) <= 0.5001 * 10**-digits for one in values for unit in UNITS)


@pytest.mark.parametrize(("part", "names"), list(sections()))
def test_what_a_table_says_was_measured_is_in_the_kept_results(part, names):
    read = [json.loads((compare.RESULTS / name).read_text()) for name in names]
    values = [value for result in read for _, value in compare.figures(result)]
    shown = [token for cell in cells(part) for token in NUMBER.findall(NOTES.sub("", cell))]
    assert [token for token in shown if not is_a_figure(token, values)] == []


def test_all_kept_results_stand_on_a_page():
    pages = [PAGE, *(PAGE.parents[1] / "docs").glob("*.md")]
    text = "".join(page.read_text() for page in pages)
    assert [place.name for place in sorted(compare.RESULTS.glob("*.*")) if place.stem.split("-")[0] not in text] == []


def test_a_figure_is_known_by_the_digits_that_are_shown():
    assert is_a_figure("46,774", [46773.5])
    assert is_a_figure("35.2", [0.35198])
    assert not is_a_figure("35.3", [0.35198])

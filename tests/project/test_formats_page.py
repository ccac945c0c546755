"""Every way in and out that docs/formats.md lists has a test that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "formats.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_every_test_that_the_page_names_is_there():
    named = NAMED.findall(PAGE)
    assert named
    for file, function in named:
        assert (ROOT / file).is_file(), file
        assert not function or f"def {function}(" in (ROOT / file).read_text(), function


def test_every_row_of_the_page_has_a_test():
    rows = {line for line in PAGE.splitlines() if line.startswith("| ")}
    heads = {row for row in rows if row.endswith("| test |")}
    for row in rows - heads:
        assert NAMED.search(row) or row.rstrip(" |").endswith("the same"), row

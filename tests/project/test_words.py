"""The field's words: what docs/glossary.md has a standard term for is called by it, in code and in what users read."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = [path for top in ("engine", "jobs", "schemas") for path in sorted((ROOT / top).rglob("*.py"))]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "engine").rglob("README.md"))]
# Names that say nothing to somebody who opens the folder.
FILES = "told written judged drawn settled begin steps earlier elsewhere asked".split()
NAMES = "Answers Found Lesson Desk Crew Ticket Learnt Unseen Course Leg Journey rereads _sit_down _lonely".split()
PHRASES = {
    "is right about": "classifies … correctly",
    "answered rightly": "classified correctly",
    "foretold": "predicted, forecast",
    "by luck": "by chance",
    "luck of": "sampling error",
    "are not told from": "cannot be distinguished from",
    "hand it over": "pass it",
}


@cache
def text_of(path):
    return path.read_text()


def test_no_file_has_a_private_name():
    assert [str(path.relative_to(ROOT)) for path in CODE if path.stem in FILES] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_class_or_function_has_a_private_name(name):
    declared = re.compile(rf"^\s*(class|def) {name}\b|^{name}\b.*=", re.MULTILINE)
    assert [str(path.relative_to(ROOT)) for path in CODE if declared.search(text_of(path))] == []


@pytest.mark.parametrize("phrase", PHRASES)
def test_no_private_phrase_is_read_by_users_or_in_code(phrase):
    places = [str(path.relative_to(ROOT)) for path in (*CODE, *PAGES) if phrase in text_of(path).lower()]
    assert places == [], f"{phrase!r} is called: {PHRASES[phrase]}"

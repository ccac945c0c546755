"""Every page that gapscope makes states a content security policy before anything that it could bind."""

import re

import pytest
from conftest import ROOT

PAGES = [path for path in sorted(ROOT.glob("engine/**/*.j2")) if "<!doctype html>" in path.read_text()]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_states_its_policy_first(path):
    before, policy, _ = path.read_text().partition('<meta http-equiv="Content-Security-Policy" content="')
    assert policy
    assert not re.search(r"<(script|style|link|img|title|body)\b", before)


def test_there_are_pages():
    assert PAGES

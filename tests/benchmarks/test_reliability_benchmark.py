"""The benchmarks of killed writers and of mistakes in files run, and find no store and no reader at fault."""

import re

import pytest
from conftest import ROOT

from benchmarks import mutations
from benchmarks.reliability import measure


def check(results):
    rows = list(results)
    assert rows
    for one in rows:
        assert one["same"], one
        assert (one["damaged"], one["left"]) == (0, 0), one


def test_stores_whose_writers_were_killed_two_at_a_time_are_the_undisturbed_ones():
    check(measure(kills=3, images=60, rows=1000, only=("extract", "import-csv")))


@pytest.mark.slow
def test_all_that_writes_survives_kills():
    check(measure(kills=12, images=72, rows=1000))


@pytest.mark.slow
def test_stores_survive_a_hundred_kills():
    check(measure(kills=100, images=400, rows=2000, only=("extract", "import-csv")))


def mistakes_in(files):
    for one in mutations.measure(files):
        assert one.files == one.refused + one.read == files // 20, one
        assert not one.faults, one


def test_files_with_a_mistake_are_refused_in_a_sentence_or_read_as_before():
    mistakes_in(240)


@pytest.mark.slow
def test_ten_thousand_files_with_a_mistake():
    mistakes_in(10_000)


def test_the_page_says_how_each_of_its_figures_is_measured_again():
    page = (ROOT / "docs" / "reliability.md").read_text()
    commands = re.findall(r"`(?:python|pytest) ([\w/.]+)", page)
    assert len(commands) >= 6
    assert all((ROOT / place).exists() for place in commands)
    for kind in ("predictions, CSV", "features, CSV", "ids, CSV", "labels of images, CSV", "options, YAML"):
        assert kind in page

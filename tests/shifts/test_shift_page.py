"""The first screen of a shift says that sets differ only where that is beyond what so many tests show by chance."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom
from toy_runs import write_run

from gapscope.blocks import Table
from gapscope.core.location import Location
from gapscope.runs.run import read_run
from gapscope.shifts.page import answer, page

RUNS, TESTS = 200, 9


def verdicts(target, p):
    """What so many tests say of a target."""
    names = [f"test_{index}" for index in range(len(p))]
    columns = {"value": 0.1, "low": None, "high": None, "effect": None, "sentence": "It moved", "class_name": None}
    return [
        columns | {"reference": "toy/train", "target": target, "statistic": n, "p": q}
        for n, q in zip(names, p, strict=True)
    ]


def answer_of(folder, found):
    run = folder if folder.exists() else write_run(folder, "shift")
    return answer(read_run(Location.of(str(run))), found)


def headline(folder, found):
    return answer_of(folder, found).headline


def test_one_of_several_tests_is_below_five_per_cent_by_chance(tmp_path):
    text = headline(tmp_path / "run", verdicts("toy/test", [0.03, 0.2, 0.6, 0.9]))
    assert text == "The features of toy/test cannot be distinguished from those of toy/train"


def test_sets_of_one_population_are_said_to_differ_in_at_most_a_twentieth(tmp_path, rng):
    found = [headline(tmp_path / "run", verdicts("toy/test", rng.random(TESTS))) for _ in range(RUNS)]
    assert sum("differ from" in one for one in found) <= binom.isf(1e-4, RUNS, 0.05)


def test_only_those_of_several_sets_that_differ_are_said_to(tmp_path):
    found = verdicts("toy/test", [0.4, 0.7]) + verdicts("night/test", [1e-9, 1e-9])
    text = headline(tmp_path / "run", found)
    assert text == (
        "The features of night/test differ from those of toy/train, those of toy/test cannot be distinguished"
    )


def test_a_shift_that_one_test_alone_sees_is_said(tmp_path):
    p = np.full(TESTS, 0.5)
    p[3] = 1e-6
    assert "differ from" in headline(tmp_path / "run", verdicts("toy/test", p.tolist()))


@pytest.mark.parametrize(
    ("p", "seen"),
    [([0.03, 0.2, 0.6], "Test 1. Test 2."), ([0.03, 1e-6, 0.9], "Test 1. Test 2."), ([0.01, 0.02], "Test 0. Test 1.")],
)
def test_what_one_test_sees_is_said_only_beyond_the_chance_of_so_many(tmp_path, p, seen):
    """Holm by hand: 3 x 0.03 and 2 x 0.03 are above 5 %, 2 x 0.01 and 0.02 below."""
    found = [one | {"sentence": f"Test {index}"} for index, one in enumerate(verdicts("toy/test", p))]
    parts = dict(answer_of(tmp_path / "run", found).parts)
    assert parts["What was seen"] == seen
    write_run(tmp_path / "page", "shift", files={"verdicts": found})
    tables = [block for block in page(read_run(Location.of(str(tmp_path / "page")))) if isinstance(block, Table)]
    (meaning,) = [table for table in tables if "what it means" in table.caption]
    doubted = [row for row in meaning.rows if "may be chance" in str(row[1])]
    assert len(doubted) == len(p) - seen.count(".")


@pytest.mark.parametrize(("statistic", "differ"), [("class_mean_shift", False), ("mean_shift", True)])
def test_other_labels_are_not_called_other_features(tmp_path, statistic, differ):
    found = verdicts("toy/test", [1e-9, 0.4, 0.6])
    found[0]["statistic"] = statistic
    text = headline(tmp_path / "run", found)
    assert ("features of toy/test differ" in text) is differ
    assert ("but the classes of toy/test differ: their rows, or their labels" in text) is not differ


@pytest.mark.parametrize(("targets", "advised"), [(["toy/test"], False), (["toy/test", "night/test"], True)])
def test_a_gap_of_all_its_sets_in_the_same_report_is_not_advised(tmp_path, targets, advised):
    config = {"reference": "toy/train", "target": "toy/test"}
    gap = read_run(Location.of(write_run(tmp_path / "gap", "gap", config=config)))
    run = replace(read_run(Location.of(write_run(tmp_path / "run", "shift"))), beside=(gap,))
    found = [one for target in targets for one in verdicts(target, [1e-9])]
    assert ("What to do" in dict(answer(run, found).parts)) is advised

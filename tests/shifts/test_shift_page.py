"""The first screen of a shift says that sets differ only where that is beyond what so many tests show by chance."""

import numpy as np
from scipy.stats import binom
from toy_runs import write_run

from gapscope.core.location import Location
from gapscope.runs.run import read_run
from gapscope.shifts.page import answer

RUNS, TESTS = 200, 9


def verdicts(target, p):
    """What so many tests say of a target."""
    names = [f"test_{index}" for index in range(len(p))]
    columns = {"value": 0.1, "low": None, "high": None, "effect": None, "sentence": "It moved", "class_name": None}
    return [
        columns | {"reference": "toy/train", "target": target, "statistic": n, "p": q}
        for n, q in zip(names, p, strict=True)
    ]


def headline(folder, found):
    run = folder if folder.exists() else write_run(folder, "shift")
    return answer(read_run(Location.of(str(run))), found).headline


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

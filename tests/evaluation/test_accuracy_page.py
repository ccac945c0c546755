"""The first screen of measured models claims a loss only beyond what the worst of so many sets shows by chance."""

import pytest
from scipy.stats import binom
from toy_runs import result, write_run

from gapscope.core.location import Location
from gapscope.evaluation.page import page
from gapscope.runs.run import read_run

ROWS, ACCURACY = 400, 0.8


def headline(folder, accuracies, job="predict", first=ACCURACY):
    """Of one model on `toy/test` and on further sets."""
    places = [("toy", first), *((f"set{index}", value) for index, value in enumerate(accuracies))]
    rows = [result("accuracy", round(value * ROWS) / ROWS, n=ROWS, dataset=name) for name, value in places]
    write_run(folder, job, rows, config={"reference": "toy/test"})
    return page(read_run(Location.of(str(folder))))[0].headline


def test_the_worst_of_twenty_sets_of_one_population_is_seldom_a_loss(tmp_path, rng):
    runs, lost = 60, 0
    for run in range(runs):
        first, *others = rng.binomial(ROWS, ACCURACY, 21) / ROWS
        lost += "softmax loses nothing" not in headline(tmp_path / str(run), others, first=first)
    assert lost <= binom.isf(1e-4, runs, 0.05)


@pytest.mark.parametrize("job", ["predict", "evaluate"])
def test_a_set_that_lost_is_named_among_others(tmp_path, job):
    text = headline(tmp_path / "run", [*[ACCURACY] * 8, 0.5], job)
    assert "softmax loses 30.0 points from " in text
    assert text.endswith("to set8/test")

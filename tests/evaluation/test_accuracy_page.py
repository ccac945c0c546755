"""The first screen of measured models claims a loss only beyond what the worst of so many sets shows by chance."""

from dataclasses import replace

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


def of_training(folder, sets, dataset="photos", **config):
    """The page of a training on `dataset`/train that measured `sets`, a list of names with accuracies."""
    trained = dataset if isinstance(dataset, str) else ", ".join(dataset)
    rows = [
        result("accuracy", value, n=ROWS, dataset=place.partition("/")[0], split=place.partition("/")[2])
        for place, value in [(f"{trained}/train", 1.0), *sets]
    ]
    write_run(folder, "fit-incremental", rows, config={"epochs": 3, "dataset": dataset, **config})
    return page(read_run(Location.of(str(folder))))


def test_the_training_rows_of_a_dataset_that_was_named_by_its_place_are_known_as_these(tmp_path):
    """Their accuracy was said to be lost or gained from the test set."""
    sets = [("photos/train", 1.0), ("photos/train (held out)", 0.9), ("photos/test", 0.8), ("photos/val", 0.7)]
    rows = [result("accuracy", value, n=ROWS, dataset="photos", split=name.partition("/")[2]) for name, value in sets]
    write_run(tmp_path / "run", "train-cnn", rows, config={"epochs": 3, "dataset": "/my/Photos"})
    answer, table, *_ = page(read_run(Location.of(str(tmp_path / "run"))))
    assert answer.headline == "softmax classifies 80.0 % of photos/test correctly"
    assert "points lost" not in table.columns


def test_a_training_says_the_accuracy_of_its_test_set_and_no_loss_towards_other_splits_of_its_data(tmp_path):
    for place, sets in enumerate(
        ([("photos/test", 0.8), ("photos/val", 0.9)], [("photos/val", 0.9), ("photos/test", 0.8)])
    ):
        answer, table, *_ = of_training(tmp_path / str(place), sets)
        assert answer.headline == "softmax classifies 80.0 % of photos/test correctly"
        assert "points lost" not in table.columns


@pytest.mark.parametrize(
    ("accuracies", "says"),
    [
        ({"lda": 0.8}, "lda classifies 80.0 % of photos/test correctly"),
        ({"lda": 0.7, "knn": 0.8}, "knn classifies 80.0 % of photos/test correctly, the highest share among 2 models"),
        ({"lda": 0.8, "knn": 0.8, "sgd": 0.7}, "lda and knn classify 80.0 % of photos/test correctly, the highest"),
    ],
)
def test_models_that_are_equally_accurate_are_named_together(tmp_path, accuracies, says):
    rows = [result("accuracy", value, n=ROWS, dataset="photos", model=name) for name, value in accuracies.items()]
    write_run(tmp_path / "run", "evaluate", rows)
    assert page(read_run(Location.of(str(tmp_path / "run"))))[0].headline.startswith(says)


def test_a_training_says_what_was_lost_towards_sets_of_other_data_from_its_own_test_set(tmp_path):
    sets = [("dark/all", 0.5), ("photos/test", 0.8), ("photos/val", 0.3)]
    assert of_training(tmp_path / "a", sets)[0].headline == "softmax loses 30.0 points from photos/test to dark/all"
    odd = [("photos/test", 0.8), ("photos/night", 0.5)]
    assert of_training(tmp_path / "b", odd)[0].headline == "softmax loses 30.0 points from photos/test to photos/night"


def test_of_several_training_sets_none_is_the_loss_of_another(tmp_path):
    sets = [("a/test", 0.9), ("b/test", 0.5)]
    answer, table, *_ = of_training(tmp_path / "a", sets, dataset=("a", "b"))
    assert answer.headline == "softmax classifies 90.0 % of a/test correctly"
    assert "points lost" not in table.columns


def test_the_test_set_of_a_set_with_synthetic_rows_is_that_of_the_real_one(tmp_path):
    sets = [("photos/val", 0.9), ("photos/test", 0.8)]
    answer, *_ = of_training(tmp_path / "a", sets, dataset="photos+synthetic:smote-to-max")
    assert answer.headline == "softmax classifies 80.0 % of photos/test correctly"


@pytest.mark.parametrize(("target", "advised"), [("dark/test", False), ("dark/all", True)])
def test_a_gap_that_stands_in_the_same_report_is_not_advised(tmp_path, target, advised):
    config = {"reference": "toy/test", "target": target}
    gap = read_run(Location.of(write_run(tmp_path / "gap", "gap", config=config)))
    rows = [result("accuracy", 0.8), result("accuracy", 0.4, dataset="dark")]
    run = read_run(Location.of(write_run(tmp_path / "fit", "predict", rows, config={"reference": "toy/test"})))
    first, joined = (page(replace(run, beside=beside))[0] for beside in ((), (run, gap)))
    assert "Split the loss into its causes" in dict(first.parts)["What to do"]
    assert ("What to do" in dict(joined.parts)) is advised

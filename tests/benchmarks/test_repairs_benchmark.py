"""docs/remedies.md is what its benchmark has measured, and the benchmark's choice is that of `repair`."""

import json

import numpy as np
import pytest
from conftest import ROOT
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import cause_choice, cause_training
from benchmarks.repairs import MIXES, RESULTS, SIZES, Sizes, choice, features, page, quality, trial
from gapscope.core.chunk import Chunk
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear


def test_the_page_is_made_of_the_results():
    assert (ROOT / "docs/remedies.md").read_text() == page(
        *(json.loads(results.read_text()) for results in (RESULTS, cause_training.RESULTS, cause_choice.RESULTS))
    )


def test_a_training_on_the_cause_is_set_beside_one_on_plain_images_seed_by_seed():
    found = [
        {"kind": "head", "way": way, "seed": seed, "plain": plain, "modified": modified, "seconds": seconds}
        for way, seed, plain, modified, seconds in [
            (cause_training.PLAIN, 0, 0.8, 0.4, 10),
            (cause_training.BOTH, 1, 0.65, 0.6, 21),
            (cause_training.PLAIN, 1, 0.7, 0.3, 12),
            (cause_training.BOTH, 0, 0.79, 0.6, 23),
        ]
    ]
    assert cause_training.table(found).splitlines()[2:] == [
        "| head | plain images | 75.0% | 35.0% | - | - | 11 s |",
        "| head | plain and modified images | 72.0% | 60.0% | +25.0 (+20.0 to +30.0) | +3.0 (+1.0 to +5.0) | 22 s |",
    ]


def test_choices_with_and_without_a_cause_are_set_beside_none_and_the_best():
    accuracy = {"nothing": 0.5, "scale": 0.45, "cause": 0.75}
    named = {"recipe": "dark", "cause": "night:3", "without": "scale", "with": "cause", "price": -0.01}
    found = [named | {"accuracy": accuracy}, {"recipe": "warm", "cause": ""}]
    assert cause_choice.table(found).splitlines()[2:] == [
        "| dark | night:3 | 50.0% | 45.0% (scale) | 75.0% (cause) | 75.0% | -1.0 |",
        "| mean gain | | | -5.0 points | +25.0 points | | |",
        "",
        "No cause is named after warm.",
    ]


def test_promises_are_set_beside_what_fresh_photographs_gave():
    far, near = [0.5, 0.8, 0.3, 0.2, 0.4, 0.0, 100], [0.5, 0.55, 0.05, 0.0, 0.1, 0.1, 100]
    none = [0.5, 0.5, 0.0, 0.0, 0.0, 1.0, 100]
    row = {"recipe": "dark", "with": "cause", "promised": [far, none], "had": [near, none]}
    found = [row, {"recipe": "warm", "cause": ""}, row | {"with": "nothing"}]
    assert cause_choice.promises(found).splitlines()[2:] == [
        "| dark | cause | +30.0 (+20.0 to +40.0) | +5.0 (+0.0 to +10.0) | +0.0 (+0.0 to +0.0) | +0.0 (+0.0 to +0.0) |",
        "",
        "Gains agree within their intervals in 0 of 1, prices in 1 of 1.",
    ]


def test_a_pipeline_of_two_classes_is_the_same_linear_classifier(rng):
    x, y = rng.normal(3, 2, (60, 4)), np.repeat([0, 1], 30)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    ours = cause_choice.linear(model).probabilities(x.astype(np.float32))
    np.testing.assert_allclose(ours, model.predict_proba(x), atol=1e-5)


@pytest.mark.parametrize("mix", MIXES)
def test_the_choice_without_labels_rarely_loses(mix):
    """On trials that no threshold was set on."""
    others = [row for row in json.loads(RESULTS.read_text()) if not row["tuned"] and row["mix"] == mix]
    found = quality(others)
    assert found["no_loss"] >= 0.9
    assert found["gain"] > 0.05


def test_a_trial_that_the_choice_was_set_on_shares_no_shift_and_no_division_with_the_others():
    rows = json.loads(RESULTS.read_text())
    for name in ("shift", "seed"):
        tuned, others = ({row[name] for row in rows if row["tuned"] == one} for one in (True, False))
        assert tuned
        assert not tuned & others


def test_the_quality_of_choices_is_counted_with_and_without_a_standard_error():
    signs = {"nothing": [1.5, 0.5, 0.5, 0.9, 10], "scale": [0.6, 0.5, 0.9, 0.9, 10], "coral": [0.6, 0.5, 0.6, 0.9, 10]}
    row = {"accuracy": {"nothing": 0.5, "scale": 0.6, "coral": 0.63, "30 labels": 0.9}, "fitted": 500, "signs": signs}
    found = quality([row | {"error": {"scale": error}} for error in (0.005, 0.02)])
    assert (found["near"], found["near_by_chance"], found["no_loss"]) == (0, 0.5, 1)
    assert (found["gain"], found["best"]) == pytest.approx((0.1, 0.13))


def test_a_trial_repairs_a_made_shift(rng):
    centres = rng.standard_normal((3, 8)) * 2
    bias = (-0.5 * (centres**2).sum(axis=1)).astype(np.float32)
    model = Classifier("lda", Linear(centres.astype(np.float32), bias), class_names=("a", "b", "c"))

    def rows(n, factor=1.0, shift=0.0):
        y = rng.integers(0, 3, n)
        x = factor * (centres[y] + rng.standard_normal((n, 8))) + shift
        return Chunk(np.arange(n), x.astype(np.float32), y.astype(np.int32))

    middle = centres.mean(axis=0)
    result = trial(model, rows(600), rows(300, 0.2, middle), rows(300, 0.2, middle))
    assert result["accuracy"][choice(result)] >= result["accuracy"]["nothing"]


def test_features_are_made_of_images_after_each_shift(tmp_path, monkeypatch):
    monkeypatch.setitem(SIZES, "digits", Sizes(60, 10, 10, 20))
    monkeypatch.setattr("benchmarks.repairs.SHIFTS", ["night:3"])
    monkeypatch.setattr("benchmarks.repairs.OWN", ("drawing",))
    monkeypatch.setattr("benchmarks.repairs.load_digits", few_digits)
    features(tmp_path, "digits", tmp_path)
    with np.load(tmp_path / "digits.npz") as found:
        assert set(found) == {"train", "label", "none", "night:3", "drawing"}
        assert len(found["train"]) == 60
        assert len(found["night:3"]) == 40
        assert np.abs(found["night:3"] - found["none"]).max() > 0.01


def few_digits():
    whole = load_digits()
    whole.images, whole.target = whole.images[:100], whole.target[:100]
    return whole

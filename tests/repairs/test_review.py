"""The share of wrong labels in a set, from a review of about 200 of them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_workspace import Blobs, write_sets

import gapscope
from gapscope.core.errors import InputError
from gapscope.predictions import Predictions
from gapscope.repairs.labels import LabelFile
from gapscope.repairs.review import STRATA, drawn, review, strata_of

K = 10


def made(rng, n=8000, wrong=0.04, skill=0.8):
    """A set with wrong labels, and its true classes; confidence is a little higher where the model is right."""
    true = rng.integers(0, K, n)
    label = np.where(rng.random(n) < wrong, (true + rng.integers(1, K, n)) % K, true)
    predicted = np.where(rng.random(n) < skill, true, rng.integers(0, K, n))
    confidence = np.clip(rng.beta(3, 2, n) + 0.2 * (predicted == true), 0, 1).astype(np.float32)
    names = tuple(f"class {index}" for index in range(K))
    columns = (np.arange(n), label.astype(np.int32), predicted[:, None].astype(np.int32), confidence)
    return Predictions("model", "made", "test", names, *columns), true


def reviewed(predictions, true, count=200, seed=0):
    rows = np.sort(drawn(strata_of(predictions), count, seed))
    return LabelFile(predictions.sample_id[rows], true[rows])


def test_about_as_many_images_are_drawn_as_are_wanted_more_of_those_that_the_model_contradicts(rng):
    predictions, _ = made(rng)
    stratum = strata_of(predictions)
    rows = drawn(stratum, 200, 0)
    assert 190 <= len(rows) <= 220
    assert len(np.unique(rows)) == len(rows)
    size, asked = np.bincount(stratum), np.bincount(stratum[rows], minlength=len(STRATA))
    assert (np.diff(asked / size) < 0).all()
    assert len(np.unique(stratum[rows[:60]])) == len(STRATA)


def test_the_intervals_hold_the_truth_in_90_to_99_percent_of_draws(rng):
    held = []
    for draw in range(100):
        predictions, true = made(rng)
        found = review(predictions, reviewed(predictions, true, seed=draw), 200, draw)
        errors = (predictions.label != true).mean()
        change = (predictions.predicted == true).mean() - predictions.accuracy()
        for share, truth in ((found.errors, errors), (found.change, change)):
            held.append(share.low <= truth <= share.high)
    assert 0.9 <= np.mean(held) <= 0.995


def test_a_set_that_is_reviewed_whole_has_no_error_of_sampling(rng):
    predictions, true = made(rng, n=300)
    found = review(predictions, LabelFile(predictions.sample_id, true), 10_000, 0)
    assert found.errors.low == pytest.approx(found.errors.high)
    assert found.errors.value == pytest.approx((predictions.label != true).mean())
    assert found.change.value == pytest.approx((predictions.predicted == true).mean() - predictions.accuracy())


def test_images_that_were_not_drawn_stand_for_no_others_and_a_kind_without_reviews_is_refused(rng):
    predictions, true = made(rng)
    drawn_ones = reviewed(predictions, true)
    strangers = np.setdiff1d(predictions.sample_id, drawn_ones.sample_id)[:50]
    ids = np.union1d(drawn_ones.sample_id, strangers)
    found = review(predictions, LabelFile(ids, true[ids]), 200, 0)
    assert found.left_out == 50
    assert found.errors == review(predictions, drawn_ones, 200, 0).errors
    with pytest.raises(InputError, match="no image of the kind"):
        review(predictions, LabelFile(drawn_ones.sample_id[:1], drawn_ones.label[:1]), 200, 0)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return write_sets(tmp_path_factory.mktemp("review"), Blobs(np.random.default_rng(3)))


def test_a_review_is_drawn_filled_in_and_read_back(workspace):
    run = gapscope.fit_incremental("toy", model=("lda", "ridge"), workspace=str(workspace), report=False).run
    asked = {"target": "toy/val", "workspace": str(workspace)}
    drawn = gapscope.verify_labels(run, count=100, model="lda", **asked)
    place = drawn.run
    asked_again = f"--target toy/val --labels {place}/queue.csv --model lda --count 100 --workspace"
    assert asked_again in dict(drawn.blocks[0].parts)["What to do"]
    table = pd.read_csv(f"{place}/queue.csv")
    assert list(table.columns) == ["order", "sample_id", "image", "given", "label"]
    table["label"] = table["given"]
    table.loc[table.index % 10 == 0, "label"] = "none"
    table.to_csv(workspace / "reviewed.csv", index=False)
    found = gapscope.verify_labels(run, count=100, model="lda", labels=str(workspace / "reviewed.csv"), **asked)
    errors = next(one for one in found.results if one.metric == "label_errors")
    assert errors.low < 0.1 < errors.high
    said = dict(found.blocks[0].parts)["What it costs"]
    value, low, high = map(float, re.search(r"add ([\d.]+) points .*interval ([-\d.]+) to ([-\d.]+)", said).groups())
    assert low < value < high
    assert "of the labels of toy/val are wrong" in found.blocks[0].headline
    asked_next = dict(found.blocks[0].parts)["What to do"]
    assert f"--target toy/val --model lda --verified {Path(found.run).name} --workspace" in asked_next
    with pytest.raises(InputError, match="unlabelled/test"):
        gapscope.verify_labels(run, target="unlabelled/test", model="lda", workspace=str(workspace))

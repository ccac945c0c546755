"""The line of wrong labels in a breakdown, from a review of some of them."""

import json

import numpy as np
import pandas as pd
import pytest
from toy_workspace import Blobs, write_sets

import gapscope
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.gaps.breakdown import break_down
from gapscope.gaps.reviewed import Reviewed, reviews_of_both
from gapscope.predictions import Predictions
from gapscope.repairs.labels import LabelFile
from gapscope.repairs.review import drawn, review, strata_of

K = 5
NAMES = tuple(f"class {index}" for index in range(K))


def made(rng, n, wrong, skill, first=0):
    """A set of which a share of the labels is wrong, and its true classes."""
    true = rng.integers(0, K, n)
    label = np.where(rng.random(n) < wrong, (true + rng.integers(1, K, n)) % K, true)
    predicted = np.where(rng.random(n) < skill, true, (true + rng.integers(1, K, n)) % K)
    columns = (np.arange(first, first + n), label.astype(np.int32), predicted[:, None].astype(np.int32))
    return Predictions("model", "made", str(first), NAMES, *columns, rng.random(n).astype(np.float32)), true


def reviewed(predictions, true, seed=0, count=400):
    rows = np.sort(drawn(strata_of(predictions), count, seed))
    found = review(predictions, LabelFile(predictions.sample_id[rows], true[rows]), count, seed)
    return Reviewed(found.by_class, found.change.low, found.change.high, len(rows), found.errors.value)


def test_the_terms_sum_to_the_gap_and_wrong_labels_are_taken_out_of_the_drop(rng):
    (reference, _), (target, true) = made(rng, 4000, 0, 0.9), made(rng, 4000, 0.15, 0.8, 4000)
    found = break_down(reference, target, reviews=(None, reviewed(target, true)))
    terms = {one.name: one for one in found.terms}
    assert sum(one.value for one in found.terms) == pytest.approx(found.gap, abs=1e-12)
    for one in found.terms:
        assert one.by_class.sum() == pytest.approx(one.value, abs=1e-12)
    lost_by_labels = (target.predicted == true).mean() - target.accuracy()
    assert terms["label_noise"].low <= lost_by_labels <= terms["label_noise"].high
    real = reference.accuracy() - (target.predicted == true).mean()
    assert terms["common_drop"].low <= real <= terms["common_drop"].high
    without = {one.name: one for one in break_down(reference, target).terms}["common_drop"]
    assert without.low > real
    assert terms["common_drop"].high - terms["common_drop"].low > without.high - without.low
    assert any("were not reviewed" in note for note in found.notes)


def test_a_set_reviewed_whole_gives_the_number_of_right_labels_and_that_of_the_reference_is_taken_off(rng):
    (reference, first), (target, true) = made(rng, 300, 0.2, 0.9), made(rng, 300, 0.1, 0.8, 300)
    found = break_down(
        reference, target, reviews=(reviewed(reference, first, 0, 9999), reviewed(target, true, 0, 9999))
    )
    before, after = (
        (one.predicted == right).mean() - one.accuracy() for one, right in ((reference, first), (target, true))
    )
    noise = next(one for one in found.terms if one.name == "label_noise")
    assert noise.value == pytest.approx(after - before, abs=1e-12)
    assert noise.high - noise.low == pytest.approx(0, abs=1e-9)


def test_the_interval_holds_the_truth_in_most_draws(rng):
    held = []
    for seed in range(40):
        (reference, _), (target, true) = made(rng, 1000, 0, 0.9), made(rng, 1500, 0.08, 0.8, 1000)
        found = break_down(reference, target, reviews=(None, reviewed(target, true, seed, 200)), replicates=20)
        noise = next(one for one in found.terms if one.name == "label_noise")
        held.append(noise.low <= (target.predicted == true).mean() - target.accuracy() <= noise.high)
    assert np.mean(held) >= 0.88


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return write_sets(tmp_path_factory.mktemp("reviewed"), Blobs(np.random.default_rng(3)))


def test_gap_reads_what_verify_labels_has_found(workspace):
    place = str(workspace)
    run = gapscope.fit_incremental("toy", model=("lda",), workspace=place, report=False).run
    asked = {"target": "toy-shifted/test", "workspace": place, "count": 100}
    queue = gapscope.verify_labels(run, **asked, name="queue").run
    table = pd.read_csv(f"{queue}/queue.csv")
    table["label"] = table["given"]
    table.loc[table.index % 5 == 0, "label"] = "none"
    table.to_csv(workspace / "labels.csv", index=False)
    found = gapscope.verify_labels(run, **asked, labels=str(workspace / "labels.csv"), name="found")
    assert "--verified verify-labels-found" in dict(found.blocks[0].parts)["What to do"]
    sets = {"reference": "toy/val", "target": "toy-shifted/test", "workspace": place, "report": False}
    gap = gapscope.gap(
        run, **sets, verified=("verify-labels-found",), skip=("features", "attributes", "reasons", "remedies")
    )
    account = json.loads((workspace / "runs" / gap.run.split("/")[-1] / "ledger.json").read_text())
    noise = next(one for one in account["terms"] if one["name"] == "label_noise")
    wanted = next(one for one in found.results if one.metric == "label_noise")
    assert (noise["value"], noise["low"], noise["high"]) == pytest.approx((wanted.value, wanted.low, wanted.high))
    assert sum(one["value"] for one in account["terms"]) == pytest.approx(account["gap"]["value"], abs=1e-12)
    refused = {"no reviewed labels": ("verify-labels-queue",), "two reviews": ("verify-labels-found",) * 2}
    for message, runs in refused.items():
        with pytest.raises(InputError, match=message):
            gapscope.gap(run, **sets, verified=runs)
    others = (made(np.random.default_rng(0), 20, 0, 1)[0], made(np.random.default_rng(1), 20, 0, 1)[0])
    with pytest.raises(InputError, match="reviews labels of toy-shifted/test"):
        reviews_of_both(Location.of(place), ("verify-labels-found",), others)

"""Models are compared as pairs on the same images and alone on others, against lines, and against sets of labels."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import binomtest

from gapscope.core.errors import InputError
from gapscope.evaluation.comparison import accuracies, baseline_line, paired, robustness
from gapscope.evaluation.comparison_page import answer
from gapscope.evaluation.multilabel import Share, multi_label
from gapscope.inference import ProbitLine
from gapscope.jobs.compare import CompareConfig, run
from gapscope.predictions import Predictions
from gapscope.predictions.valid_labels import read_valid_labels

ROWS = 800


def model(name, right, ids=None, dataset="toy"):
    """A model of two classes that is right where `right` says."""
    right = np.asarray(right, bool)
    label = (np.arange(len(right)) % 2).astype(np.int32)
    ids = np.arange(len(right)) if ids is None else ids
    top = np.where(right, label, 1 - label).astype(np.int32)[:, None]
    return Predictions(name, dataset, "", ("a", "b"), np.asarray(ids, np.int64), label, top)


@pytest.fixture
def three(rng):
    first = rng.random(ROWS) < 0.8
    second = np.where(rng.random(ROWS) < 0.2, rng.random(ROWS) < 0.7, first)
    return [model("one", first), model("two", second), model("three", rng.random(ROWS) < 0.78)]


def test_the_paired_test_is_the_binomial_one_on_disagreements(three):
    found = paired(three[:2])[0]
    one, two = three[0].right, three[1].right
    only = int((one & ~two).sum()), int((two & ~one).sum())
    assert (found.only_one, found.only_other) == only
    assert found.p == pytest.approx(binomtest(only[0], sum(only)).pvalue)
    assert found.value == pytest.approx(one.mean() - two.mean())
    assert found.low < found.value < found.high


def test_the_paired_interval_is_that_of_the_normal_law(three):
    found = paired(three[:2], replicates=600)[0]
    difference = three[0].right.astype(float) - three[1].right
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * difference.std() / np.sqrt(ROWS), rel=0.15)


def test_all_pairs_are_corrected_together(three):
    found = paired(three)
    assert [(one.one, one.other) for one in found] == [("one", "two"), ("one", "three"), ("two", "three")]
    smallest = min(found, key=lambda one: one.p)
    assert smallest.adjusted_p == pytest.approx(min(3 * smallest.p, 1))
    assert all(one.adjusted_p >= one.p for one in found)


def test_replicates_are_the_same_to_the_bit_in_any_order_of_rows(three, rng):
    shuffled = [one.rows(rng.permutation(ROWS)) for one in three]
    assert np.array_equal(accuracies(three).replicates, accuracies(shuffled).replicates)
    assert paired(three) == paired(shuffled)


def test_a_model_does_not_differ_from_itself(three):
    found = paired([three[0], three[0]])[0]
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (0.0, "a and b classify as many images of toy/test correctly."),
        (0.1, "b classifies 10.0 points more of toy/test correctly than a."),
    ],
)
def test_models_that_are_as_often_right_are_said_to_be(value, seen):
    pair = {"one": "b", "other": "a", "value": value, "low": -0.1, "high": 0.3, "n": 20, "adjusted_p": 0.5}
    found = answer([pair | {"dataset": "toy", "split": "test"}])
    assert dict(found.parts)["What was seen"] == seen
    assert "cannot be distinguished" in found.headline


def test_other_images_are_refused_as_pairs(three):
    with pytest.raises(InputError, match="not in"):
        paired([three[0], model("two", three[1].right, ids=np.arange(ROWS) + 5)])


def share(value, rows=2000):
    return np.arange(rows) < round(value * rows)


def test_models_on_the_line_have_no_effective_robustness_and_one_above_it_has(rng):
    line = ProbitLine(0.9, -0.3, 0.0, 0.0, 1.0, 0.0, 5)
    reference = np.array([0.6, 0.7, 0.8, 0.9])
    target = line.expected(reference) + np.array([0, 0, 0, 0.05])
    old, new = (
        [model(f"m{i}", rng.permutation(share(value))) for i, value in enumerate(side)] for side in (reference, target)
    )
    used, found = robustness(old, new, line)
    assert used.every is line
    assert [one.value for one in found] == pytest.approx([0, 0, 0, 0.05], abs=1e-3)
    assert all(one.low < one.value < one.high for one in found)
    assert found[3].low > 0
    assert found[0].gap == pytest.approx(reference[0] - target[0], abs=1e-3)
    fitted, _ = robustness(old[:3], new[:3])
    assert (fitted.every.slope, fitted.every.intercept) == pytest.approx((0.9, -0.3), abs=0.01)


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_a_line_comes_from_its_numbers_or_from_accuracies(ending, tmp_path):
    stated, models = tmp_path / f"stated.{ending}", tmp_path / f"models.{ending}"
    x = np.array([0.5, 0.7, 0.9])
    y = ndtr(0.9 * ndtri(x) - 0.3)
    if ending == "json":
        stated.write_text(json.dumps({"slope": 0.9, "intercept": -0.3}))
        models.write_text(json.dumps([{"reference": a, "target": b} for a, b in zip(x, y, strict=True)]))
    else:
        stated.write_text("slope,intercept\n0.9,-0.3\n")
        pyarrow.csv.write_csv(pa.table({"reference": x, "target": y}), models)
    for place in (stated, models):
        line = baseline_line(str(place))
        assert (line.slope, line.intercept) == pytest.approx((0.9, -0.3))
    models.write_text('[{"name": 1}]' if ending == "json" else "name\n1\n")
    with pytest.raises(InputError, match="has no line"):
        baseline_line(str(models))


def ranked(top, ids=None, label=None):
    top = np.asarray(top, np.int32)
    ids = np.arange(len(top)) if ids is None else ids
    label = np.zeros(len(top), np.int32) if label is None else np.array(label, np.int32)
    return Predictions("net", "toy", "", tuple("abcd"), np.asarray(ids, np.int64), label, top)


def test_multi_label_scores_equal_their_definitions(tmp_path):
    place = tmp_path / "real.json"
    place.write_text(json.dumps([[0], [], [1, 2], [0, 3], [0, 1, 2]]))
    found = multi_label(
        ranked([[0, 1], [0, 1], [2, 0], [1, 2], [2, 1]], label=[0, 0, 1, 0, 2]), read_valid_labels(str(place), "abcd")
    )
    assert (found.all.value, found.all.right, found.all.n) == (3 / 4, 3, 4)
    assert (found.one, found.several) == (Share(1, 1), Share(2, 3))
    assert found.ranked == 3  # of three labels, only two best classes are known
    assert found.variable_top_k == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert found.asma == pytest.approx((1 + (1 / 2 + 0) / 2) / 2)


def test_label_sets_are_found_by_image(tmp_path):
    from gapscope.predictions.images import ids_of_names

    place, table = tmp_path / "real.json", tmp_path / "real.parquet"
    sets = {"x.png": [3], "y.png": [0, 1]}
    place.write_text(json.dumps(sets))
    pq.write_table(pa.table({"image": list(sets), "labels": list(sets.values())}), table)
    predictions = ranked([[1], [3], [2]], ids_of_names(["y.png", "x.png", "z.png"]), [1, 3, 0])
    for source in (place, table):
        found = multi_label(predictions, read_valid_labels(str(source), "abcd"))
        assert (found.all.right, found.all.n, found.ranked) == (2, 2, 0)


def test_label_sets_of_other_images_are_refused(tmp_path):
    place = tmp_path / "real.json"
    place.write_text(json.dumps([[0], [1]]))
    with pytest.raises(InputError, match="lists 2 images without their names, the set has 3"):
        multi_label(ranked([[1], [3], [2]]), read_valid_labels(str(place), "abcd"))
    place.write_text(json.dumps({"q.png": [1]}))
    with pytest.raises(InputError, match="none of the predicted images"):
        multi_label(ranked([[1], [3], [2]]), read_valid_labels(str(place), "abcd"))


@pytest.fixture
def wide(tmp_path, rng):
    """Two wide tables of four models on three classes."""
    for name, loss in (("reference", 0.0), ("target", 0.1)):
        label = rng.integers(0, 3, 500)
        columns = {"image": [f"{name}-{i}.png" for i in range(500)], "label": label}
        for i in range(4):
            right = rng.random(500) < 0.6 + 0.1 * i - loss
            columns[f"net{i}"] = np.where(right, label, (label + 1) % 3)
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    return tmp_path


def test_a_wide_table_is_compared_model_by_model(wide):
    config = CompareConfig(predictions=(str(wide / "reference.parquet"),), workspace=str(wide / "w"), replicates=50)
    report = run(config)
    metrics = [result.metric for result in report.results]
    assert metrics.count("accuracy") == 4
    assert metrics.count("accuracy_difference") == metrics.count("mcnemar_holm_p_value") == 6
    table = pq.read_table(f"{report.run}/differences.parquet")
    assert len(table) == 6
    chosen = run(CompareConfig(**{**vars(config), "model": ("net0", "net3")}))
    assert len(pq.read_table(f"{chosen.run}/differences.parquet")) == 1
    assert chosen.blocks[0].headline.startswith("net3 is better than net0 on ")


def test_two_sets_give_the_line_and_each_models_distance(wide):
    sides = {side: (str(wide / f"{side}.parquet"),) for side in ("reference", "target")}
    report = run(CompareConfig(**sides, workspace=str(wide / "w"), replicates=50))
    found = {result.model: result for result in report.results if result.metric == "effective_robustness"}
    assert set(found) == {"net0", "net1", "net2", "net3"}
    assert json.loads(Path(report.run, "line.json").read_text())["models"] == 4
    said = dict(report.blocks[0].parts)["Between models"]
    assert "on the same 500 images of reference and 500 images of target" in said
    (wide / "line.json").write_text('{"slope": 1.0, "intercept": 0.0}')
    again = run(
        CompareConfig(
            **sides, model=("net1",), baseline_line=str(wide / "line.json"), workspace=str(wide / "w"), replicates=50
        )
    )
    lost = next(result for result in again.results if result.metric == "effective_robustness")
    gap = next(result for result in again.results if result.metric == "accuracy_gap")
    assert lost.value == pytest.approx(-gap.value)
    assert json.loads(json.dumps(again.as_json(), allow_nan=False))["job"] == "compare"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "name run folders"),
        ({"predictions": ("a",), "runs": ("b",)}, "not both"),
        ({"reference": ("a",)}, "belong together"),
        ({"predictions": ("a",), "baseline_line": "x"}, "needs two sets"),
        ({"predictions": ("a",), "replicates": 1}, "2 or more"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        run(CompareConfig(**options))


def test_models_that_are_not_there_are_refused(wide):
    with pytest.raises(InputError, match=r"no model in .* named .net9."):
        run(CompareConfig(predictions=(str(wide / "reference.parquet"),), model=("net9",), workspace=str(wide / "w")))
    with pytest.raises(InputError, match="only the model net1"):
        run(CompareConfig(predictions=(str(wide / "reference.parquet"),), model=("net1",), workspace=str(wide / "w")))

"""The command `evaluate` measures what a run or a file allows and says what it leaves out."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import softmax
from sklearn import metrics as reference

from gapscope.blocks import Sentence, Table
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.evaluation.predict import predict
from gapscope.jobs.evaluate import EvaluateConfig, run
from gapscope.stream import connect

NAMES = ("ant", "bee", "cat")


class Scores:
    """A model whose embeddings are its scores."""

    probabilistic = True
    temperature = 1.0

    def scores(self, x):
        return x


@pytest.fixture
def made(rng):
    label = rng.integers(0, 3, 400)
    scores = rng.standard_normal((400, 3)).astype(np.float32)
    scores[np.arange(400), label] += 1
    return label.astype(np.int32), scores


def measured(report, metric):
    return next(result for result in report.results if result.metric == metric)


def test_a_run_is_measured_with_all_that_was_counted_when_it_predicted(made, make_store, tmp_path):
    label, scores = made
    store = make_store(scores, label, part_rows=150)
    folder = Location.of(tmp_path / "runs/net/predictions/toy-test")
    with connect(threads=1) as workers:
        predict(Scores(), NAMES, store.view(), np.arange(3), folder, workers)
    report = run(EvaluateConfig(run=str(tmp_path / "runs/net"), workspace=str(tmp_path), replicates=30))
    p = np.exp(scores - np.logaddexp.reduce(scores, axis=1)[:, None])
    auroc, error = measured(report, "macro_auroc"), measured(report, "macro_auroc_error")
    expected = reference.roc_auc_score(label, p, multi_class="ovr", average="macro")
    assert abs(auroc.value - expected) <= error.value + 1e-12
    assert measured(report, "brier").value == pytest.approx(reference.brier_score_loss(label, p), rel=1e-5)
    assert measured(report, "ece").low is not None
    bars = pq.read_table(f"{report.run}/reliability.parquet")
    assert pa.compute.sum(bars["n"]).as_py() == 400
    assert json.dumps(report.as_json(), allow_nan=False)


def test_answers_alone_are_measured_as_far_as_they_go(made, tmp_path):
    label, scores = made
    table = pa.table({"image": [f"{i}.png" for i in range(400)], "label": label, "predicted": scores.argmax(axis=1)})
    pq.write_table(table, tmp_path / "net.parquet")
    report = run(EvaluateConfig(predictions=str(tmp_path / "net.parquet"), workspace=str(tmp_path), replicates=30))
    names = {result.metric for result in report.results}
    assert {"accuracy", "mcc", "cohen_kappa", "balanced_accuracy"} <= names
    assert not {"ece", "brier", "macro_auroc", "aurc", "log_loss"} & names
    assert any("no probabilities" in block.text for block in report.blocks if isinstance(block, Sentence))
    assert measured(report, "mcc").value == pytest.approx(reference.matthews_corrcoef(label, scores.argmax(axis=1)))


def test_an_array_and_several_right_labels(made, tmp_path):
    label, scores = made
    np.save(tmp_path / "net.npy", scores)
    np.save(tmp_path / "labels.npy", label)
    options = {"workspace": str(tmp_path), "replicates": 30}
    array = run(EvaluateConfig(predictions=str(tmp_path / "net.npy"), labels=str(tmp_path / "labels.npy"), **options))
    assert measured(array, "brier").value > 0
    columns = {f"logit_{i}": scores[:, i] for i in range(3)}
    pq.write_table(pa.table({"label": label, **columns}), tmp_path / "net.parquet")
    (tmp_path / "real.json").write_text(json.dumps([[int(one), (int(one) + 1) % 3] for one in label]))
    both = run(EvaluateConfig(predictions=str(tmp_path / "net.parquet"), labels=str(tmp_path / "real.json"), **options))
    given = scores.argmax(axis=1)
    expected = np.mean((given == label) | (given == (label + 1) % 3))
    assert measured(both, "real_accuracy").value == pytest.approx(expected)
    several = measured(both, "real_accuracy_several_labels")
    assert (several.value, several.n) == (pytest.approx(expected), 400)
    factor = 1 / measured(array, "best_temperature").value
    losses = [
        reference.log_loss(label, softmax(t * scores.astype(float), axis=1))
        for t in (0.98 * factor, factor, 1.02 * factor)
    ]
    assert losses[1] <= min(losses) + 1e-5
    tables = [block for block in array.blocks if isinstance(block, Table) and "ECE" in block.caption]
    assert sum(row[1] for row in tables[0].rows) == 400
    assert measured(both, "macro_auroc").value == pytest.approx(measured(array, "macro_auroc").value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "not both and not neither"),
        ({"run": "a", "predictions": "b"}, "not both and not neither"),
        ({"predictions": "b", "replicates": 0}, "2 or more"),
        ({"run": "/nowhere"}, "no run in .* named '/nowhere'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        run(EvaluateConfig(**options))

"""`predict`: a saved model answers for any store with the same kind of features, and is measured where it can be."""

import json
import re
import shlex

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from pages import tables_of
from toy_workspace import CLASSES, DIM, Blobs, write_sets

from gapscope.blocks import Answer
from gapscope.core.errors import InputError, SchemaError
from gapscope.core.location import Location
from gapscope.evaluation.predict import _kept, origin_in, predict
from gapscope.jobs import command_line as cli
from gapscope.jobs.compare import CompareConfig
from gapscope.jobs.compare import run as compare
from gapscope.jobs.evaluate import EvaluateConfig
from gapscope.jobs.evaluate import run as evaluate
from gapscope.jobs.fit_incremental import FitIncrementalConfig
from gapscope.jobs.fit_incremental import run as fit
from gapscope.jobs.predict import PredictConfig, run
from gapscope.probes.model import load_model
from gapscope.schemas.run import RunManifest
from gapscope.store import open_store
from gapscope.stream import connect


@pytest.fixture
def blobs(rng):
    return Blobs(rng)


@pytest.fixture
def workspace(tmp_path, blobs):
    return write_sets(tmp_path, blobs)


@pytest.fixture
def model(workspace):
    """The run folder of a trained model."""
    return fit(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace))).run


def predicted(workspace, model, dataset="stranger", **options):
    return run(PredictConfig(model=model, dataset=dataset, workspace=str(workspace), **options))


def test_it_measures_what_the_training_run_measured(workspace, model):
    trained = json.loads((Location.of(model) / "results.json").read_text())["results"]
    report = predicted(workspace, model, "toy", split="val")
    assert [r.row() for r in report.results] == [row for row in trained if row["split"] == "val"]
    assert list(tables_of(report)[0].rows[0][:2]) == ["lda", "toy/val"]


def test_a_set_that_is_no_companion_is_predicted_row_by_row_as_the_model_says(workspace, model):
    report = predicted(workspace, model)
    rows = open_store(Location.of(workspace / "embeddings/toy/stranger/test")).view().read()
    table = pq.read_table(f"{report.run}/predictions/stranger-test")
    assert report.run.endswith("predict-fit-incremental-toy-lda-stranger-test")
    assert (table["predicted"].to_numpy() == load_model(Location.of(model)).predict(rows.x)).all()
    assert (table["sample_id"].to_numpy() == rows.sample_id).all()


@pytest.mark.parametrize("given", [{"dataset": "toy/val"}, {"dataset": "toy", "split": "val"}])
def test_a_stored_set_may_be_named_in_one_word_everywhere(workspace, model, given):
    report = predicted(workspace, model, **given)
    assert {(one.dataset, one.split) for one in report.results} == {("toy", "val")}
    measured = evaluate(EvaluateConfig(run=report.run, workspace=str(workspace), **given))
    assert {(one.dataset, one.split) for one in measured.results} == {("toy", "val")}
    both = compare(CompareConfig(runs=(report.run, model), workspace=str(workspace), **given))
    assert {(one.dataset, one.split) for one in both.results} == {("toy", "val")}


def test_the_record_names_the_model_and_the_set(workspace, model):
    report = predicted(workspace, model)
    manifest = RunManifest.model_validate_json((Location.of(report.run) / "manifest.json").read_text())
    assert (manifest.job, manifest.status) == ("predict", "complete")
    assert [one.place for one in manifest.inputs] == [model, str(workspace / "embeddings/toy/stranger/test")]


def test_rows_without_any_label_or_class_are_predicted_with_a_note(workspace, model, blobs):
    x, y = blobs(80)
    folder = workspace / "embeddings/toy/bare/test"
    write_store(folder, x, np.full_like(y, -1), dataset="bare", split="test", class_names=[])
    report = predicted(workspace, model, "bare")
    assert not report.results
    assert not tables_of(report)
    assert "bare/test has no labels; its 80 rows were predicted and not measured" in report.sentences
    table = pq.read_table(f"{report.run}/predictions/bare-test")
    assert (table["predicted"].to_numpy() == y).mean() > 0.9
    assert table["log_likelihood"].null_count == 80


def command_in(sentence):
    """The words behind the name of the program in the only command of a sentence."""
    (command,) = re.findall("`gapscope ([^`]*)`", sentence)
    return shlex.split(command)


@pytest.mark.parametrize(
    ("dataset", "split", "job", "says"),
    [
        ("stranger", "test", "gap", "--reference toy/val --target stranger/test"),
        ("toy", "val", "evaluate", "predict-fit-incremental-toy-lda-toy-val"),
        ("bare", "test", "forecast", "--reference toy/val --target bare/test"),
    ],
)
def test_the_next_command_fits_what_was_predicted_and_can_be_pasted(workspace, model, blobs, dataset, split, job, says):
    x, y = blobs(80)
    place = workspace / "embeddings/toy/bare/test"
    write_store(place, x, np.full_like(y, -1), dataset="bare", split="test", class_names=[])
    report = predicted(workspace, model, dataset, split=split)
    answers = [text for one in report.blocks if isinstance(one, Answer) for _, text in one.parts]
    (said,) = [text for text in [*answers, *report.sentences] if "`gapscope" in text]
    words = command_in(said)
    assert words[0] == job
    assert says in " ".join(words)
    assert cli.execute(words) == 0


def test_of_several_models_the_next_command_names_the_one_that_predicted(workspace):
    both = fit(FitIncrementalConfig(dataset="toy", model=("lda", "softmax"), workspace=str(workspace))).run
    report = predicted(workspace, f"{both}/models/lda")
    words = command_in(dict(report.blocks[0].parts)["What to do"])
    assert words[:2] == ["gap", "fit-incremental-toy-lda+softmax"]
    assert words[words.index("--model") + 1] == "lda"


def test_one_of_several_models_has_to_be_chosen(workspace):
    both = fit(FitIncrementalConfig(dataset="toy", model=("lda", "softmax"), workspace=str(workspace))).run
    with pytest.raises(InputError, match=r"several models; choose one with --model: .*models/lda, .*models/softmax"):
        predicted(workspace, both)
    assert predicted(workspace, f"{both}/models/lda").results


def test_a_treatment_of_unequal_classes_is_part_of_the_models_name(workspace):
    options = {"model": ("lda",), "class_weight": ("logit-adjustment",), "workspace": str(workspace)}
    model = fit(FitIncrementalConfig(dataset="toy", **options)).run
    assert {r.model for r in predicted(workspace, model).results} == {"lda, logit-adjustment"}


def test_classes_in_another_order_are_matched_by_name(workspace, model, blobs):
    x, y = blobs(200)
    names = [f"class {index}" for index in reversed(range(CLASSES))]
    folder = workspace / "embeddings/toy/turned/test"
    write_store(folder, x, CLASSES - 1 - y, dataset="turned", split="test", class_names=names)
    report = predicted(workspace, model, "turned")
    assert any("matched by name" in note for note in report.sentences)
    assert next(r.value for r in report.results if r.metric == "accuracy") > 0.9


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [({"weights_hash": "abc"}, "weights_hash is 'abc'"), ({"class_names": ["cat", "dog"]}, "not trained on")],
)
def test_features_and_classes_of_another_kind_are_refused(workspace, model, blobs, fields, sentence):
    x, _ = blobs(50)
    folder = workspace / "embeddings/toy/other/test"
    write_store(folder, x, np.zeros(50, int), dataset="other", split="test", **fields)
    with pytest.raises(InputError, match=sentence):
        predicted(workspace, model, "other")


def test_features_of_another_width_are_refused(workspace, model, rng):
    folder = workspace / "embeddings/toy/wide/test"
    write_store(folder, rng.standard_normal((20, DIM + 1)), np.zeros(20, int), dataset="wide", split="test")
    with pytest.raises(InputError, match=f"dim is {DIM + 1}, the model was trained on {DIM}"):
        predicted(workspace, model, "wide")


def test_options_that_only_a_network_has_a_use_for_are_refused(workspace, model):
    with pytest.raises(InputError, match="predicts stored embeddings; leave out --device, --data-root"):
        predicted(workspace, model, device="cpu", data_root=workspace)


def test_a_folder_without_a_model_is_named(workspace):
    with pytest.raises(SchemaError, match="holds no model"):
        predicted(workspace, str(workspace))


def test_the_command_line_prints_the_results(workspace, model, capsys):
    options = ["--model", model, "--dataset", "toy", "--split", "val", "--workspace", str(workspace), "--json"]
    assert cli.execute(["predict", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["job"] == "predict"
    assert {row["metric"] for row in found["results"]} >= {"accuracy", "macro_f1", "log_loss"}


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_predicts_the_same(workspace, model, cluster):
    here = predicted(workspace, model, "toy", split="val", name="here")
    there = predicted(workspace, model, "toy", split="val", name="there", scheduler=cluster)
    assert [r.row() for r in here.results] == [r.row() for r in there.results]


class Counting:
    """A model that remembers how many rows it was asked about."""

    probabilistic, temperature, rows = True, 1.0, 0

    def scores(self, x):
        self.rows += len(x)
        return x


def test_parts_that_lie_there_are_counted_and_not_computed_again(make_store, tmp_path, rng):
    x, y = rng.standard_normal((10_000, 6)).astype(np.float32), rng.integers(-1, 6, 10_000)
    store, folder = make_store(x, y, part_rows=4000), Location.of(tmp_path / "predictions")
    names = [f"class {index}" for index in range(6)]
    with connect(threads=1) as workers:
        whole, again = Counting(), Counting()
        first = predict(whole, names, store.view(), np.arange(6), folder, workers)
        (tmp_path / "predictions/part-00001.parquet").unlink()
        second = predict(again, names, store.view(), np.arange(6), folder, workers)
    assert (whole.rows, again.rows) == (10_000, 4096)
    assert (first.confusion == second.confusion).all()
    assert first[1:4] == second[1:4]
    assert all((one == two).all() for one, two in zip(first.calibration, second.calibration, strict=True))
    assert first.scores.squared == second.scores.squared


def test_a_part_of_other_rows_is_not_taken(make_store, tmp_path, rng):
    x, y = rng.standard_normal((500, 3)).astype(np.float32), rng.integers(0, 3, 500)
    store, folder = make_store(x, y), Location.of(tmp_path / "predictions")
    with connect(threads=1) as workers:
        predict(Counting(), ["a", "b", "c"], store.view(), np.arange(3), folder, workers)
    place = folder / "part-00000.parquet"
    origin = origin_in(Counting(), store.view())
    assert _kept(place, store.view().read(), origin) is not None
    assert _kept(place, store.view(0, 499).read(), origin) is None

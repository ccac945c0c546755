"""`fit-incremental` trains on training rows alone, evaluates every companion, and records what it did."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from pages import tables_of
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from toy_workspace import CLASSES, DIM, Blobs, write_sets

from gapscope.core.errors import BudgetError, InputError
from gapscope.core.location import Location
from gapscope.core.progress import SILENT
from gapscope.evaluation.memory import PREDICTED
from gapscope.jobs.fit_incremental import FitIncrementalConfig, run
from gapscope.jobs.import_features import ImportFeaturesConfig
from gapscope.jobs.import_features import run as import_csv
from gapscope.probes.model import load_model
from gapscope.probes.options import ProbeOptions
from gapscope.schemas.results import RESULTS_SCHEMA
from gapscope.schemas.run import RunManifest
from gapscope.store import open_store
from gapscope.training.candidates import Candidate
from gapscope.training.memory import check_memory
from gapscope.training.page import sentences


@pytest.fixture
def blobs(rng):
    return Blobs(rng)


@pytest.fixture
def workspace(tmp_path, blobs):
    return write_sets(tmp_path, blobs)


def fitted(workspace, **options):
    return run(FitIncrementalConfig(dataset="toy", workspace=str(workspace), **options))


def accuracy(report, dataset, split):
    rows = [r for r in report.results if (r.dataset, r.split, r.metric) == (dataset, split, "accuracy")]
    return rows[0].value


@pytest.mark.parametrize("model", ["softmax", "lda", "sgd"])
def test_every_companion_is_evaluated_and_nothing_else(workspace, model):
    report = fitted(workspace, model=(model,))
    held_out = {("toy", "train (held out)")} if model != "sgd" else set()
    tested = {("toy", "val"), ("toy-shifted", "test")}
    assert {(r.dataset, r.split) for r in report.results} == tested | {("toy", "train")} | held_out
    assert accuracy(report, "toy", "val") > 0.9
    assert accuracy(report, "toy-shifted", "test") < accuracy(report, "toy", "val")


def test_softmax_is_as_good_as_scikit_learns_converged_logistic_regression(workspace):
    train, val = (open_store(Location.of(workspace / "embeddings/toy/toy" / s)).view().read() for s in ("train", "val"))
    scaler = StandardScaler().fit(train.x)
    reference = LogisticRegression(C=0.1, max_iter=1000).fit(scaler.transform(train.x), train.y)
    expected = reference.score(scaler.transform(val.x), val.y)
    assert accuracy(fitted(workspace), "toy", "val") > expected - 0.01


def test_a_further_set_is_evaluated_when_it_is_named(workspace):
    report = fitted(workspace, evaluate=("stranger/test",))
    assert ("stranger", "test") in {(r.dataset, r.split) for r in report.results}


def test_the_run_folder_holds_a_complete_record(workspace):
    report = fitted(workspace)
    folder = Location.of(report.run)
    manifest = RunManifest.model_validate_json((folder / "manifest.json").read_text())
    assert manifest.status == "complete"
    assert [(one.place.rsplit("/", 2)[1:], one.rows) for one in manifest.inputs] == [
        (["toy", "train"], 3000),
        (["toy", "val"], 600),
        (["toy-shifted", "test"], 500),
    ]
    table = pq.read_table(f"{report.run}/results.parquet")
    assert table.schema.equals(RESULTS_SCHEMA)
    assert json.loads((folder / "results.json").read_text())["results"] == [r.row() for r in report.results]
    per_class = [row for row in table.to_pylist() if row["class"] == "class 0" and row["split"] == "val"]
    assert {row["metric"] for row in per_class} == {"precision", "recall", "f1"}


def test_predictions_agree_with_the_saved_model_and_with_the_results(workspace):
    report = fitted(workspace)
    probe = load_model(Location.of(report.run))
    val = open_store(Location.of(workspace / "embeddings/toy/toy/val")).view().read()
    table = pq.read_table(f"{report.run}/predictions/toy-val").sort_by("sample_id")
    order = np.argsort(val.sample_id)
    assert (table["predicted"].to_numpy() == probe.predict(val.x)[order]).all()
    assert (table["label"].to_numpy() == val.y[order]).all()
    assert (table["predicted"].to_numpy() == table["label"].to_numpy()).mean() == accuracy(report, "toy", "val")
    assert probe.class_names == tuple(f"class {index}" for index in range(CLASSES))
    assert probe.features["backbone"] == "toy"


def test_test_rows_have_no_influence_on_the_model(workspace, blobs):
    first = load_model(Location.of(fitted(workspace, name="first").run))
    x, y = blobs(600)
    folder = workspace / "embeddings/toy/toy/val"
    for path in folder.iterdir():
        path.unlink()
    write_store(folder, -x, (y + 1) % CLASSES, part_rows=512, split="val")
    second = load_model(Location.of(fitted(workspace, name="second").run))
    assert np.array_equal(first.rule.weight, second.rule.weight)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", ["softmax", "lda", "sgd"])
def test_a_two_worker_cluster_gives_the_same_model_and_results(workspace, cluster, model):
    here = fitted(workspace, model=(model,), name="here")
    there = fitted(workspace, model=(model,), name="there", scheduler=cluster)
    one, other = (load_model(Location.of(report.run)) for report in (here, there))
    assert np.allclose(one.rule.weight, other.rule.weight, rtol=1e-6, atol=1e-6)
    assert [r.value for r in here.results] == pytest.approx([r.value for r in there.results], rel=1e-6)


def test_the_same_run_again_takes_the_same_folder_and_another_one_does_not(workspace):
    first = fitted(workspace)
    assert fitted(workspace).run == first.run
    assert fitted(workspace, seed=1).run == f"{first.run}-2"


def test_a_run_that_is_refused_before_it_has_written_anything_leaves_no_folder(workspace):
    with pytest.raises(InputError):
        fitted(workspace, model=("lda",), shrinkage=7.0)
    assert not (workspace / "runs/fit-incremental-toy-lda").exists()


def test_features_of_another_kind_are_refused_with_both_values(workspace, blobs):
    x, y = blobs(50)
    folder = workspace / "embeddings/toy/other/test"
    write_store(folder, x, y, dataset="other", split="test", companion_of="toy", weights_hash="abc")
    with pytest.raises(
        InputError, match=r"other/test has features of another kind: weights_hash is 'abc'.* trained on ''"
    ):
        fitted(workspace)


def write_csv(path, x, y):
    names = [f"feature_{index}" for index in range(x.shape[1])]
    lines = [",".join(["path", *names, "label"])]
    lines += [
        ",".join([f"{i}.png", *map(repr, map(float, row)), str(label)])
        for i, (row, label) in enumerate(zip(x, y, strict=True))
    ]
    path.write_text("\n".join(lines) + "\n")


def test_imported_features_are_trained_on_and_evaluated_on_the_companion_as_well(tmp_path, blobs):
    for dataset, split, rows in (
        ("imagenet", "train", 2000),
        ("imagenet", "val", 300),
        ("imagenetv2", "top-images", 200),
    ):
        write_csv(tmp_path / "rows.csv", *blobs(rows))
        options = {"dataset": dataset, "split": split, "workspace": str(tmp_path)}
        import_csv(ImportFeaturesConfig(files=(str(tmp_path / "rows.csv"),), **options))
    report = run(FitIncrementalConfig(dataset="imagenet", workspace=str(tmp_path)))
    assert accuracy(report, "imagenet", "val") > 0.9
    assert accuracy(report, "imagenetv2", "top-images") > 0.9


def test_text_sorted_class_folders_are_recognised_in_a_companion(tmp_path, rng):
    classes = 30
    centres = 4 * rng.standard_normal((classes, DIM))
    y = np.arange(3000) % classes
    names = [str(index) for index in range(classes)]
    wrong = np.argsort(sorted(range(classes), key=str))  # the rank of each folder when sorted as text
    for split, labels in (("train", y), ("val", wrong[y])):
        x = (centres[y] + rng.standard_normal((3000, DIM))).astype(np.float32)
        write_store(tmp_path / "embeddings/toy/toy" / split, x, labels, part_rows=512, split=split, class_names=names)
    report = run(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(tmp_path)))
    assert any("sorted as texts" in note for note in report.sentences)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"holdout": 1.5}, "--holdout is 1.5"),
        ({"evaluate": ("val",)}, "dataset/split"),
        ({"evaluate": ("nowhere/val",)}, "no stored dataset named 'nowhere'"),
        ({"split": "trian"}, "there are toy/toy/train, toy/toy/val"),
        ({"backbone": "vit"}, "with backbone vit"),
        ({"scheduler": "tcp://127.0.0.1:9"}, "no Dask scheduler answers"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(workspace, options, sentence, monkeypatch):
    monkeypatch.setattr("gapscope.stream.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(InputError, match=sentence):
        fitted(workspace, **options)


def test_several_models_are_reported_side_by_side_each_with_a_folder_of_its_own(workspace):
    report = fitted(workspace, model=("softmax", "lda"))
    assert report.run.endswith("fit-incremental-toy-softmax+lda")
    assert {(r.model, r.split) for r in report.results} == {
        (model, split) for model in ("softmax", "lda") for split in ("val", "test", "train", "train (held out)")
    }
    assert [row[0] for row in tables_of(report)[0].rows] == ["softmax"] * 4 + ["lda"] * 4
    for model in ("softmax", "lda"):
        alone = fitted(workspace, model=(model,), name=model)
        assert [r.value for r in alone.results] == [r.value for r in report.results if r.model == model]
        folder = Location.of(f"{report.run}/models/{model}")
        assert folder.names() == ["model.json", "model.safetensors", "predictions"]
        assert load_model(folder).name == model


def test_treatments_of_unequal_classes_are_reported_side_by_side(workspace):
    report = fitted(workspace, model=("lda",), class_weight=("none", "logit-adjustment"))
    assert [row[0] for row in tables_of(report)[0].rows] == [*["lda"] * 4, *["lda, logit-adjustment"] * 4]
    assert Location.of(f"{report.run}/models").names() == ["lda", "lda-logit-adjustment"]


def test_the_table_of_all_settings_is_kept_and_shown_when_a_grid_is_asked_for(workspace):
    report = fitted(workspace, model=("lda",), grid=True)
    tried = load_model(Location.of(report.run)).details["settings"]
    assert len(tried) > 5
    table = pq.read_table(f"{report.run}/results.parquet").to_pylist()
    kept = [row for row in table if row["split"] == "train (held out)" and "(" in row["model"]]
    kept = [row for row in kept if row["metric"] == "log_loss"]
    assert [row["value"] for row in kept] == [setting["log_loss"] for setting in tried]
    assert {row["n"] for row in kept} == {300}
    assert all(row["model"].startswith("lda(") for row in kept)
    assert {r.split for r in report.results} == {"val", "test", "train", "train (held out)"}
    best = tables_of(report)[1]
    assert len(best.rows) <= 10
    assert not any("_" in name for name in best.columns)
    losses = [row[list(best.columns).index("log loss")] for row in best.rows]
    assert losses == sorted(losses)
    assert losses[0] == min(setting["log_loss"] for setting in tried)


def test_a_set_without_labels_is_predicted_and_not_measured(workspace, blobs):
    x, y = blobs(70)
    folder = workspace / "embeddings/toy/bare/test"
    write_store(
        folder, x, np.full_like(y, -1), dataset="bare", split="test", companion_of="toy", class_names=["class 0"]
    )
    report = fitted(workspace, model=("lda",))
    assert "bare" not in {r.dataset for r in report.results}
    assert "bare/test has no labels; its 70 rows were predicted and not measured" in report.sentences
    assert len(pq.read_table(f"{report.run}/predictions/bare-test")) == 70


def test_an_empty_set_is_named(workspace):
    x, y = np.zeros((0, DIM), np.float32), np.zeros(0, int)
    write_store(workspace / "embeddings/toy/toy/test", x, y, dataset="toy", split="test")
    report = fitted(workspace, model=("lda",))
    assert "toy/test has no rows, so nothing was predicted" in report.sentences


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": ("softmax", "ridg")}, "did you mean 'ridge'"),
        ({"model": ()}, "no model to train"),
        ({"class_weight": ("none", "balancd")}, "did you mean 'balanced'"),
        ({"model": ("softmax", "knn"), "class_weight": ("balanced",)}, "knn takes --class-weight none, not balanced"),
        ({"c": 1.0, "l2": 0.1}, "--c 1 and --l2 0.1 say the same thing twice"),
        ({"model": ("lda", "ridge"), "neighbours": 3}, "--neighbours is for knn, not for lda and ridge"),
        ({"cluster": "locl"}, "did you mean 'local'"),
        ({"workers": 2}, "--cluster local"),
    ],
)
def test_options_that_do_not_fit_together_are_refused_before_anything_runs(workspace, options, sentence):
    with pytest.raises(InputError, match=sentence):
        fitted(workspace, **options)
    assert not (workspace / "runs").exists()


def test_the_certificate_is_a_sentence():
    found = {"loss": 0.69314, "gradient_norm": 1.2e-5, "bound": 1e-4, "relative_bound": 0.0002, "evaluations": 7}
    assert sentences("softmax", {"l2": 0.01, "certificate": found}) == [
        "softmax: L2 penalty 0.01.",
        "softmax: certificate: loss 0.6931, gradient norm 1.2e-05, at most 0.02 % above the optimum.",
    ]
    assert "no bound" in sentences("logistic", {"certificate": found | {"relative_bound": None}})[0]


def test_a_cluster_on_this_machine_gives_the_same_results(workspace):
    here = fitted(workspace, model=("lda",), name="here")
    heard = Heard()
    config = FitIncrementalConfig(
        dataset="toy", model=("lda",), workspace=str(workspace), name="there", cluster="local", workers=1
    )
    there = run(config, heard)
    assert [r.value for r in here.results] == pytest.approx([r.value for r in there.results], rel=1e-6)
    assert any(sentence.startswith("dashboard: http") for sentence in heard.sentences)


class Heard(type(SILENT)):
    """Progress that remembers what was said."""

    def __init__(self):
        self.sentences = []

    def say(self, message):
        self.sentences.append(message)


def test_a_worker_with_too_little_memory_is_refused(workspace, monkeypatch):
    monkeypatch.setattr("gapscope.stream.local.LocalThreads.memory_limit", 2**20)
    with pytest.raises(BudgetError, match=r"on a worker but its limit is 1 MiB; start workers with a larger"):
        fitted(workspace)


def test_memory_is_refused_before_anything_is_read(workspace):
    with pytest.raises(BudgetError, match=r"training on 16 features .* allows 1 MiB; raise --memory"):
        fitted(workspace, memory="1MB")
    assert not (workspace / "runs").exists()


def test_a_grid_is_projected_with_all_its_heads_and_the_evaluation_with_the_largest_set():
    def needed(member, dim, rows, **options):
        store = SimpleNamespace(dim=dim, rows=rows, class_names=range(1000))
        sets = SimpleNamespace(store=store, held=SimpleNamespace(rows=300), sources=[], tests=[store])
        with pytest.raises(BudgetError) as refused:
            check_memory(2**20, [Candidate(member, ProbeOptions(**options))], sets, threads=1)
        mebibytes, way_out = re.search(r"needs about ([\d,]+) MiB .*allows 1 MiB; (.*)", str(refused.value)).groups()
        return int(mebibytes.replace(",", "")), way_out

    one, grid = needed("softmax", 16384, 100), needed("softmax", 16384, 100, grid=True)
    assert one[1] == grid[1] == "lower --holdout or raise --memory"
    assert grid[0] - one[0] > 4 * 16384 * 1000 * 7 * 10 / 2**20
    few, many = needed("nearest-mean", 16, 100), needed("nearest-mean", 16, 10_000_100)
    assert many[1] == "raise --memory"
    assert many[0] - few[0] == pytest.approx(PREDICTED * 10_000_000 / 2**20, abs=1)


def test_two_backbones_ask_for_a_choice(workspace, blobs):
    x, y = blobs(100)
    write_store(workspace / "embeddings/other/toy/train", x, y, backbone="other")
    with pytest.raises(InputError, match="extracted with other, toy; choose one with --backbone"):
        fitted(workspace)

"""Every form of export holds what was found: heads answer alike, tables have their rows, folders load."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import write_store
from PIL import Image
from safetensors.numpy import load_file
from sklearn.metrics import accuracy_score

import gapscope
from gapscope.core.errors import BudgetError, InputError
from gapscope.core.extras import EXTRAS, MissingExtraError
from gapscope.core.location import Location
from gapscope.exports import EXPORTERS
from gapscope.exports.lists import write_list
from gapscope.exports.tracked import check_tracker, tracked
from gapscope.jobs.command_line import execute
from gapscope.probes.linear_form import folded
from gapscope.probes.model import Classifier, load_model
from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.verification.workspace import verify_workspace

CLASSES = ("cat", "ant", "dog")
MODELS = {"torch", "onnx"}


def classifier(rng, *, classes=CLASSES, normalised=False, scale=1.0, temperature=0.7, dim=5):
    rule = Linear(
        rng.standard_normal((len(classes), dim)).astype(np.float32), rng.standard_normal(len(classes)).astype("f4")
    )
    fields = {"temperature": temperature, "normalised": normalised, "scale": scale}
    return Classifier("softmax", rule, class_names=tuple(classes), features={"backbone": "toy", "dim": dim}, **fields)


def some(rng, rows=200, dim=5):
    return (3 * rng.standard_normal((rows, dim))).astype(np.float32)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A workspace with images of three classes, their features, a trained model, its predictions and a map."""
    folder, rng = tmp_path_factory.mktemp("place"), np.random.default_rng(0)
    for split, rows in (("train", 90), ("test", 24)):
        y = np.arange(rows) % 3
        names = [f"{split}/{CLASSES[label]}/{row}.png" for row, label in enumerate(y)]
        for name, label in zip(names, y, strict=True):
            (folder / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
            pixels = np.clip(80 * label + rng.integers(0, 90, (12, 12, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "pets" / name)
    workspace = str(folder / "workspace")
    options = {"workspace": workspace, "data_root": folder}
    gapscope.extract([str(folder / "pets")], backbone="tiny", decode_workers=0, **options)
    fitted = gapscope.fit("pets", model="lda", report=False, workspace=workspace, name="fitted")
    mapped = gapscope.map("pets/test", method="pca", report=False, workspace=workspace, name="mapped")
    return {"folder": folder, "run": Path(fitted.run).name, "map": Path(mapped.run).name, "options": options}


def exported(place, name, form, out, **more):
    return gapscope.export(name, to=form, out=str(out), **place["options"], **more)


# The contract of every form.


@pytest.mark.parametrize("form", EXPORTERS)
def test_every_form_is_written_whole_again_and_nowhere_else(place, form, tmp_path):
    name = place["map"] if form == "embedding-atlas" else place["run"]
    first = exported(place, name, form, tmp_path / "out")
    before = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert "export.json" in before
    assert len(before) > 1
    assert len(first.sentences) == 2
    exported(place, name, form, tmp_path / "out")
    if form not in ("tensorboard", "mlflow"):  # whose files have the time in their names
        assert {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("form", EXPORTERS)
def test_every_form_refuses_what_is_not_there_and_files_of_others(place, form, tmp_path):
    with pytest.raises(InputError):
        exported(place, "nothing-of-this-name", form, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files, which are not overwritten"):
        exported(place, place["run"], form, tmp_path / "mine")
    assert (tmp_path / "mine" / "precious.txt").read_text() == "mine"


def test_what_a_user_has_put_beside_an_export_stays(place, tmp_path):
    exported(place, place["run"], "torch", tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files, which are not overwritten"):
        exported(place, place["run"], "torch", tmp_path / "out")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_an_export_that_is_refused_leaves_the_earlier_one(place, tmp_path, monkeypatch):
    exported(place, place["run"], "label-studio", tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(BudgetError):
        exported(place, place["run"], "label-studio", tmp_path / "out", memory="1KB")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_earlier_export_is_restored_though_a_kill_came_between(place, tmp_path, monkeypatch):
    exported(place, place["run"], "label-studio", tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr("gapscope.exports.label_studio.write_list", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            exported(place, place["run"], "label-studio", tmp_path / "out")
    with pytest.raises(BudgetError):
        exported(place, place["run"], "label-studio", tmp_path / "out", memory="1KB")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    exported(place, place["run"], "label-studio", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_of_others_that_is_called_like_the_record_is_not_overwritten(place, tmp_path):
    (tmp_path / "export.json").write_text('[{"label": "cat"}]')
    with pytest.raises(InputError, match="holds other files, which are not overwritten"):
        exported(place, place["run"], "torch", tmp_path)


def test_an_export_that_was_killed_is_made_again(place, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("gapscope.exports.folder.digests_of", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            exported(place, place["run"], "torch", tmp_path / "out")
    whole = {path.name for path in (tmp_path / "out").iterdir()}
    exported(place, place["run"], "torch", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == whole


@pytest.mark.parametrize("form", ["label-studio", "torch", "onnx"])
def test_verify_finds_a_file_of_an_export_that_was_changed_and_reads_none_as_values(form, place, tmp_path, monkeypatch):
    out = Path(exported(place, place["run"], form, tmp_path / "out").run)
    read = []
    monkeypatch.setattr("gapscope.verification.workspace.check_memory", lambda places, _: read.extend(places))
    assert verify_workspace(Location.of(tmp_path)).findings == ()
    assert [one.name for one in read] == ["export.json"]
    for file in out.iterdir():
        content = file.read_bytes()
        half = len(content) // 2
        file.write_bytes(content[:half] + bytes([content[half] ^ 4]) + content[half + 1 :])
        assert [one.place.name for one in verify_workspace(Location.of(tmp_path)).findings] == [file.name]
        file.write_bytes(content)


def test_verify_makes_a_damaged_export_again_with_its_options_and_leaves_what_people_edit(place, tmp_path):
    workspace, data_root = tmp_path / "workspace", str(place["options"]["data_root"])
    shutil.copytree(place["options"]["workspace"], workspace)
    options = ["--limit", "5", "--workspace", str(workspace), "--data-root", data_root]
    assert execute(["export", place["run"], "--to", "label-studio", *options]) == 0
    assert execute(["export", place["run"], "--to", "hub", *options]) == 0
    (tasks,), (card,) = workspace.glob("exports/*/label-studio.json"), workspace.glob("exports/*hub/README.md")
    before = tasks.read_bytes()
    card.write_text("My own words.")
    assert execute(["verify", str(workspace)]) == 0
    tasks.write_bytes(before.replace(b"predicted", b"predictab"))
    assert execute(["verify", str(workspace)]) == 2
    assert execute(["verify", str(workspace), "--repair"]) == 0
    assert tasks.read_bytes() == before
    assert card.read_text() == "My own words."


def test_a_list_is_written_a_value_at_a_time_and_read_as_a_whole(tmp_path):
    for values in ([], [{"a": 1}], [{"a": "ä"}, [2.5, None], "x"]):
        assert write_list(Location.of(tmp_path / "list.json"), iter(values)) == len(values)
        assert json.loads((tmp_path / "list.json").read_text()) == values


def test_a_form_that_nobody_knows_and_a_push_of_another_are_one_sentence(place, capsys):
    where = ["--workspace", place["options"]["workspace"]]
    assert execute(["export", place["run"], "--to", "onyx", *where]) == 2
    assert "did you mean 'onnx'?" in capsys.readouterr().err
    assert execute(["export", place["run"], "--to", "onnx", "--push", "me/model", *where]) == 2
    assert "--push sends folders of --to hub" in capsys.readouterr().err


# Heads.


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("classes", [CLASSES, CLASSES[:2]], ids=["three", "two"])
def test_heads_of_other_libraries_answer_as_the_model_does(rng, normalised, classes):
    import torch

    model, x = classifier(rng, classes=classes, normalised=normalised, scale=0.5), some(rng)
    wanted = model.probabilities(x)
    theirs = model.to_sklearn()
    np.testing.assert_allclose(theirs.predict_proba(x)[:, np.argsort(np.argsort(classes))], wanted, atol=1e-5)
    assert accuracy_score([classes[index] for index in model.predict(x)], theirs.predict(x)) == 1
    with torch.no_grad():
        logits = model.to_torch()(torch.from_numpy(x))
    np.testing.assert_allclose(logits.softmax(dim=1).numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize("normalised", [False, True])
def test_an_onnx_head_answers_as_the_model_does(rng, normalised):
    onnxruntime = pytest.importorskip("onnxruntime")
    from gapscope.exports.onnx import graph_of

    model, x = classifier(rng, normalised=normalised), some(rng)
    x[0] = 0
    session = onnxruntime.InferenceSession(graph_of(folded(model), model).SerializeToString())
    logits, probabilities, label = session.run(None, {"features": x})
    np.testing.assert_allclose(probabilities, model.probabilities(x), atol=1e-5)
    np.testing.assert_array_equal(label, model.predict(x))
    assert logits.shape == (len(x), 3)
    assert json.loads(session.get_modelmeta().custom_metadata_map["class_names"]) == list(CLASSES)


def test_a_class_without_training_rows_is_never_answered(rng):
    model = classifier(rng)
    model = replace(model, rule=Linear(model.rule.weight, np.array([0, NEVER, 0], np.float32)))
    assert set(model.to_sklearn().predict(some(rng))) == {"cat", "dog"}


def test_estimators_become_those_of_scikit_learn_with_their_own_labels(rng):
    y = rng.integers(0, 3, 300) * 10
    x = some(rng, 300) + 4 * np.eye(3, 5, dtype=np.float32)[y // 10]
    ours = gapscope.DiscriminantClassifier().fit(x, y)
    theirs = ours.to_sklearn()
    np.testing.assert_array_equal(theirs.predict(x), ours.predict(x))
    np.testing.assert_allclose(theirs.predict_proba(x), ours.predict_proba(x), atol=1e-4)
    with pytest.raises(InputError, match="no linear model"):
        gapscope.NeighboursClassifier().fit(x, y).to_sklearn()


def test_the_parameters_of_a_head_are_those_of_the_trained_model(place, tmp_path):
    exported(place, place["run"], "torch", tmp_path / "out")
    head, about = (
        load_file(tmp_path / "out" / "head.safetensors"),
        json.loads((tmp_path / "out" / "head.json").read_text()),
    )
    model = load_model(Location.of(Path(place["options"]["workspace"]) / "runs" / place["run"]))
    x = np.random.default_rng(1).standard_normal((50, head["weight"].shape[1])).astype(np.float32)
    logits = x @ head["weight"].T + head["bias"]
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(share / share.sum(axis=1, keepdims=True), model.probabilities(x), atol=1e-4)
    assert about["class_names"] == list(model.class_names)
    assert about["features"]["backbone"] == "tiny"


# Images and maps.


def test_embedding_atlas_has_places_thumbnails_and_neighbours(place, tmp_path):
    result = exported(place, place["map"], "embedding-atlas", tmp_path / "out", limit=20)
    table = pq.read_table(tmp_path / "out" / "data.parquet")
    assert table.num_rows == 20
    assert {"x", "y", "neighbors", "image", "class"} <= set(table.column_names)
    for row, near in enumerate(table["neighbors"].to_pylist()):
        assert row not in near["ids"]
        assert max(near["ids"]) < 20
        assert near["distances"] == sorted(near["distances"])
    assert table["image"][0]["bytes"].as_py()[:4] == b"\x89PNG"
    assert "--x x --y y --neighbors neighbors --image image" in result.sentences[1]


def test_fiftyone_has_the_files_labels_predictions_and_attributes(place, tmp_path):
    exported(place, place["run"], "fiftyone", tmp_path / "out")
    samples = json.loads((tmp_path / "out" / "samples.json").read_text())["samples"]
    about = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert "version" not in about  # the sign by which FiftyOne's importer tells this form from a dump of its database
    assert sorted(about["default_classes"]) == sorted(CLASSES)
    test = [one for one in samples if "test" in one["tags"]]
    assert len(test) == 24
    for one in test:
        assert Path(one["filepath"]).parent.name == one["ground_truth"]["label"]
        assert one["prediction"]["_cls"] == "Classification"
        assert 0 < one["prediction"]["confidence"] <= 1
        right = one["prediction"]["label"] == one["ground_truth"]["label"]
        assert ("right" if right else "wrong") in one["tags"]
        assert one["luminance"] is not None
        assert "-" not in "".join(one)


def test_label_studio_asks_for_the_errors_first(place, tmp_path):
    exported(place, place["run"], "label-studio", tmp_path / "out", limit=20)
    tasks = json.loads((tmp_path / "out" / "label-studio.json").read_text())
    assert len(tasks) == 20
    assert all(Path(one["data"]["image"]).is_file() for one in tasks)
    assert tasks[0]["predictions"][0]["result"][0]["value"]["choices"][0] in CLASSES


@pytest.mark.parametrize("form", ["label-studio", "fiftyone"])
def test_predictions_that_do_not_fit_are_refused_before_they_are_read(place, form, tmp_path):
    with pytest.raises(BudgetError, match=r"exporting the predictions of fit-.* needs about .*a smaller --limit"):
        exported(place, place["run"], form, tmp_path / "out", memory="1MB")
    assert not (tmp_path / "out").exists()


# Hubs.


def test_a_model_of_a_hub_is_read_by_the_code_of_its_card(place, tmp_path, monkeypatch):
    exported(place, place["run"], "hub", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["base_model"] == "tiny"
    assert any(one["metrics"][0]["type"] == "accuracy" for one in front["model-index"][0]["results"])
    model = load_model(Location.of(tmp_path / "out"))
    x = np.random.default_rng(1).standard_normal((50, model.features["dim"])).astype(np.float32)
    monkeypatch.chdir(tmp_path / "out")
    known = {"embeddings": x}
    exec(card.split("```python\n")[1].split("```")[0], known)
    assert known["names"] == [model.class_names[index] for index in model.predict(x)]


def test_a_set_of_a_hub_loads_with_the_datasets_library(place, tmp_path):
    datasets = pytest.importorskip("datasets")
    exported(place, "pets/test", "hub", tmp_path / "out")
    rows = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["test"]
    assert len(rows) == 24
    assert (
        len(rows[0]["embedding"]) == pq.read_table(tmp_path / "out" / "data").schema.field("embedding").type.list_size
    )


def test_nothing_is_sent_unless_it_is_asked_for(place, tmp_path, monkeypatch):
    import huggingface_hub

    sent = []

    class Api:
        def create_repo(self, repository, **options):
            assert options["private"]
            return f"https://hub.example/{repository}"

        def upload_folder(self, **options):
            sent.append(options)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    exported(place, place["run"], "hub", tmp_path / "out")
    assert sent == []
    said = exported(place, place["run"], "hub", tmp_path / "out", push="me/model").sentences
    assert said[-1] == "Sent to https://hub.example/me/model."
    assert sent[0]["repo_type"] == "model"
    assert Path(sent[0]["folder_path"]) == tmp_path / "out"
    monkeypatch.setattr(Api, "upload_folder", lambda self, **options: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(InputError, match="could not be sent to me/model: no network; it is whole on this machine"):
        exported(place, place["run"], "hub", tmp_path / "out", push="me/model")


# Trackers.


def test_a_training_is_followed_in_tensorboard(place, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = gapscope.fit(
        "pets", model="lda", report=False, workspace=place["options"]["workspace"], track="tensorboard"
    )
    assert "tensorboard has" in result.sentences[-1]
    (folder,) = (Path(place["options"]["workspace"]) / "exports").glob("*-tensorboard")
    events = EventAccumulator(str(folder)).Reload()
    wanted = {f"lda/{one.dataset}/{one.split}/{one.metric}": one.value for one in result.results}
    tag = next(name for name in wanted if name.endswith("test/accuracy"))
    assert events.Scalars(tag)[0].value == pytest.approx(wanted[tag])


def test_a_training_is_followed_in_mlflow(place, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    exported(place, place["run"], "mlflow", tmp_path / "out")
    client = mlflow.MlflowClient(tracking_uri=f"file://{tmp_path}/out")
    experiment = client.get_experiment_by_name("gapscope").experiment_id
    (run,) = client.search_runs([experiment])
    assert run.info.run_name == place["run"]
    assert run.data.params["dataset"] == "pets"
    assert any(name.endswith("test/accuracy") for name in run.data.metrics)


def test_a_tracker_that_is_missing_is_said_before_the_training(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r'--track mlflow needs mlflow, .*"gapscope\[track\]"'):
        check_tracker("mlflow")
    assert EXTRAS["tensorboard"] == "track"


def test_a_tracker_that_fails_loses_nothing(place):
    result = gapscope.list_runs(workspace=place["options"]["workspace"])
    result = tracked(replace(result, run=str(Path(place["options"]["workspace"]) / "runs" / "gone")), "tensorboard")
    assert "tensorboard could not be told of this training" in result.sentences[-1]


def test_a_workspace_with_exports_is_whole(place):
    gapscope.export(place["run"], to="torch", **place["options"])
    assert execute(["verify", place["options"]["workspace"]]) == 0


def test_a_store_that_has_no_run_is_named(place, tmp_path):
    write_store(tmp_path / "embeddings" / "toy" / "toy" / "train", np.zeros((4, 3), np.float32), np.arange(4) % 2)
    with pytest.raises(InputError, match="nothing"):
        gapscope.export("nothing/train", to="hub", out=str(tmp_path / "out"), workspace=str(tmp_path))

"""A trained network is a backbone: what is stored of it says what the network says, and explains its gaps."""

import json
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from pages import texts_of
from PIL import Image
from safetensors import safe_open

import gapscope.jobs.backbones
import gapscope.jobs.extract
import gapscope.jobs.gap
import gapscope.jobs.predict
import gapscope.jobs.replay_head
import gapscope.jobs.shift
import gapscope.jobs.train_cnn
from gapscope.backbones import BackboneChoice, load_backbone
from gapscope.backbones.framed import Framed
from gapscope.backbones.weights import weights_hash
from gapscope.core.errors import ConfigMismatchError, InputError
from gapscope.core.files import read_json, write_json
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.data.source import Listing
from gapscope.data.sources.arrays import ArraySource
from gapscope.extraction.extraction import extract
from gapscope.extraction.job import Extraction
from gapscope.extraction.worker import PartTask, Store, make_part
from gapscope.jobs.backbones import BackbonesConfig
from gapscope.jobs.extract import ExtractConfig
from gapscope.jobs.gap import GapConfig
from gapscope.jobs.predict import PredictConfig
from gapscope.jobs.replay_head import ReplayHeadConfig
from gapscope.jobs.shift import ShiftConfig
from gapscope.jobs.train_cnn import TrainCnnConfig
from gapscope.networks.design import Design
from gapscope.networks.frame import Frame
from gapscope.networks.runs import find_network
from gapscope.networks.trained import Trained, load_trained
from gapscope.replay import read_head
from gapscope.store import StoreWriter, open_store
from gapscope.store.workspace import find_store

NAMES = ("ant", "bee", "cat", "dog", "elk")
NETWORKS = {
    "simple-cnn": Frame(28, 28, 1),
    "resnet-small": Frame(24, 40, 3),
    "mobilenetv3_small_050": Frame(32, 32, 3),
    "vit_tiny_patch16_224": Frame(32, 32, 3),
    "torchvision:shufflenet_v2_x0_5": Frame(32, 32, 3),
}
RUN = "run:train-cnn-fashion-mnist-simple-cnn"


def network(name, frame, seed=0):
    """A network as after some training: random weights and random statistics in its batch norms."""
    model = Design(name, frame, len(NAMES)).build(seed).eval()
    rng = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * torch.randn(module.num_features, generator=rng))
            module.running_var.copy_(0.5 + torch.rand(module.num_features, generator=rng))
    mean, std = (0.4, 0.5, 0.6)[: frame.channels], (0.2, 0.25, 0.3)[: frame.channels]
    design = Design(name, frame, len(NAMES))
    return Trained(name, design, mean, std, NAMES, model, torch.device("cpu"), {"train_rows": 10})


def saved(workspace, trained, name="one"):
    """The name of a network as a backbone, and a choice of it, after it was written as a run's."""
    trained.save(Location.of(workspace) / "runs" / name)
    found = find_network(Location.of(workspace), f"run:{name}")
    return BackboneChoice(found.name, str(found.file), device="cpu")


def source_of(frame, count=60, size=(33, 41)):
    """Blotched images whose size is not the frame's."""
    rng = stream(3, "images")
    coarse = rng.integers(0, 256, (count, 5, 6, 3), np.uint8)
    pixels = np.stack([np.asarray(Image.fromarray(one).resize(size[::-1], Image.Resampling.BICUBIC)) for one in coarse])
    labels = rng.integers(0, len(NAMES), count).astype(np.int32)
    pixels = pixels if frame.channels == 3 else pixels[..., 0]
    return ArraySource(pixels, Listing([f"{index}.png" for index in range(count)], labels, list(NAMES)))


def job_of(folder, source, choice, **settings):
    defaults = {"dtype": "float32", "part_rows": 25, "batch_size": 16, "decode_workers": 0}
    return Extraction("blotches", "all", Location.of(folder), partial(_same, source), choice, **(defaults | settings))


def _same(source):
    return source


def seen(trained, source, rows):
    """Images as training sees them."""
    return np.stack([trained.design.frame.prepare(source.image(int(row))) for row in rows])


@pytest.mark.parametrize("name", NETWORKS)
def test_stored_features_and_head_say_of_every_image_what_the_network_says(name, tmp_path):
    frame = NETWORKS[name]
    trained, source = network(name, frame), source_of(frame)
    extract(job_of(tmp_path / "store", source, saved(tmp_path, trained)))
    store = open_store(Location.of(tmp_path / "store"))
    chunk, head = store.view().read(), read_head(store)
    expected = trained.scores(seen(trained, source, chunk.sample_id))
    found = chunk.x @ head.weight.T + head.bias
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    assert store.provenance.weights_hash == weights_hash(load_trained(Location.of(tmp_path) / "runs" / "one").model)
    with safe_open(store.head.path, "np") as file:
        assert json.loads(file.metadata()["class_names"]) == list(NAMES)


@pytest.mark.parametrize("frame", [Frame(28, 28, 1), Frame(24, 40, 3), Frame(33, 41, 1)])
def test_pixels_are_those_that_training_saw_and_need_no_network(frame):
    source = source_of(frame, 5)
    framed = pickle.loads(pickle.dumps(Framed(frame, (0.5,) * frame.channels, (0.2,) * frame.channels)))
    for row in range(5):
        found = framed.prepare(source.image(row))
        assert found.shape == (*frame.size, 3)
        assert np.array_equal(found[..., : frame.channels], frame.prepare(source.image(row)))
    assert len(pickle.dumps(framed)) < 1000


def rows_of(folder):
    return open_store(Location.of(folder)).view().read()


def assert_same_rows(one, other):
    assert np.array_equal(one.sample_id, other.sample_id)
    np.testing.assert_allclose(other.x, one.x, rtol=1e-5, atol=1e-6)


def test_decode_processes_and_workers_with_nothing_but_files_make_the_same_store(tmp_path):
    frame = Frame(28, 28, 1)
    choice, source = saved(tmp_path, network("simple-cnn", frame)), source_of(frame)
    extract(job_of(tmp_path / "here", source, choice))
    extract(job_of(tmp_path / "processes", source, choice, decode_workers=2))
    here = rows_of(tmp_path / "here")
    assert_same_rows(here, rows_of(tmp_path / "processes"))
    provenance = open_store(Location.of(tmp_path / "here")).provenance
    stores = (Store(job_of(tmp_path / "worker", source, choice), provenance),)
    for part in range(3):
        make_part(pickle.loads(pickle.dumps(PartTask(stores, choice, part))))
    writer = StoreWriter(Location.of(tmp_path / "worker"), provenance)
    writer.begin()
    writer.finish(3)
    assert_same_rows(here, rows_of(tmp_path / "worker"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_makes_the_same_store(tmp_path, cluster):
    frame = Frame(24, 40, 3)
    choice, source = saved(tmp_path, network("resnet-small", frame)), source_of(frame)
    extract(job_of(tmp_path / "here", source, choice))
    extract(job_of(tmp_path / "cluster", source, choice), scheduler=cluster)
    assert_same_rows(rows_of(tmp_path / "here"), rows_of(tmp_path / "cluster"))


def test_another_training_of_the_same_name_is_told_apart(tmp_path):
    frame = Frame(28, 28, 1)
    source = source_of(frame, 20)
    extract(job_of(tmp_path / "store", source, saved(tmp_path, network("simple-cnn", frame))))
    with pytest.raises(ConfigMismatchError, match="weights_hash was"):
        extract(job_of(tmp_path / "store", source, saved(tmp_path, network("simple-cnn", frame, seed=1))))


@pytest.fixture
def runs(tmp_path):
    """A workspace with one network, a run of three seeds, and a run that has none."""
    place, trained = Location.of(tmp_path), network("simple-cnn", Frame(8, 8, 1))
    trained.save(place / "runs" / "one")
    for seed in range(3):
        trained.save(place / "runs" / "three" / "models" / f"simple-cnn-seed-{seed}")
    (place / "runs" / "probe" / "model.json").write_text('{"kind": "linear"}')
    return tmp_path


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("run:onne", "did you mean 'run:one'"),
        ("run:", "known: run:one, run:three/simple-cnn-seed-0"),
        ("run:probe", "holds no trained network, or not yet; choose run:one or run:three/simple-cnn-seed-0 or"),
        ("run:three", "holds 3 networks; choose one: run:three/simple-cnn-seed-0, run:three/simple-cnn-seed-1, run:"),
        ("run:three/simple-cnn-seed-4", "did you mean 'run:three/simple-cnn-seed-"),
    ],
)
def test_a_network_that_cannot_be_had_is_one_sentence_with_the_choices(runs, name, sentence):
    with pytest.raises(InputError) as error:
        gapscope.jobs.extract.run(ExtractConfig(dataset=("digits",), backbone=name, workspace=str(runs)))
    assert sentence in str(error.value)


def test_a_workspace_without_a_network_says_how_to_get_one(tmp_path):
    with pytest.raises(InputError, match="no run for 'run:one'; train a network with `train-cnn`"):
        find_network(Location.of(tmp_path), "run:one")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"weights": "random"}, "leave out --weights"),
        ({"image_size": 32, "backbone_args": ("mean=0.5",)}, "leave out --backbone-args, --image-size"),
    ],
)
def test_options_that_a_trained_network_has_settled_are_refused(runs, options, named):
    with pytest.raises(InputError, match=named):
        gapscope.jobs.extract.run(
            ExtractConfig(dataset=("digits",), backbone="run:one", workspace=str(runs), **options)
        )


def test_one_of_several_seeds_and_a_path_are_called_by_their_run(runs):
    place = Location.of(runs)
    assert find_network(place, "run:three/simple-cnn-seed-2").name == "run:three/simple-cnn-seed-2"
    assert find_network(place, f"run:{runs}/runs/one/").name == "run:one"
    elsewhere = find_network(place / "other", f"run:{runs}/runs/three/models/simple-cnn-seed-1")
    assert elsewhere == find_network(place, "run:three/simple-cnn-seed-1")


def test_the_search_for_backbones_finds_trained_networks(runs):
    report = gapscope.jobs.backbones.run(BackbonesConfig(pattern="run:*", workspace=str(runs)))
    assert report.blocks[0].rows[0] == ("run:one", "simple-cnn", "trained here", 8)
    assert len(report.blocks[0].rows) == 4
    both = gapscope.jobs.backbones.run(BackbonesConfig(pattern="*one*", workspace=str(runs)))
    assert [row[0] for row in both.blocks[0].rows][:1] == ["run:one"]


def test_a_backbone_of_a_run_wants_the_file_of_its_weights():
    with pytest.raises(InputError, match=r"'run:one' is loaded from the model\.safetensors of its run"):
        load_backbone("run:one", device="cpu")


@pytest.fixture(scope="module")
def fashion(fashion_of):
    """A data root with the first 500 and 300 images of Fashion-MNIST."""
    return fashion_of(500, 300)


@pytest.fixture(scope="module")
def learnt(fashion, tmp_path_factory):
    """A workspace with a network trained on these images, and the report of its training."""
    workspace = tmp_path_factory.mktemp("workspace")
    where = {"workspace": str(workspace), "data_root": fashion, "device": "cpu"}
    config = TrainCnnConfig(
        dataset="fashion-mnist", network="simple-cnn", epochs=6, batch_size=32, learning_rate=2e-3, **where
    )
    report = gapscope.jobs.train_cnn.run(config)
    sets = ExtractConfig(dataset=("fashion-mnist", "fashion-mnist+night:3"), backbone=RUN, split=("test",), **where)
    gapscope.jobs.extract.run(replace(sets, decode_workers=0))
    return workspace, report


def accuracy(report, dataset="fashion-mnist"):
    return next(
        row.value
        for row in report.results
        if (row.dataset, row.split, row.metric) == (dataset, "test", "accuracy") and row.class_name is None
    )


def test_replay_head_agrees_with_the_network_on_every_image(learnt, fashion):
    workspace, report = learnt
    config = ReplayHeadConfig(
        dataset="fashion-mnist", backbone=RUN, verify=300, device="cpu", workspace=str(workspace), data_root=fashion
    )
    found = {row.metric: row.value for row in gapscope.jobs.replay_head.run(config).results}
    assert found["same_class_as_whole_network"] >= 299 / 300  # stored as float16
    assert found["accuracy_of_whole_network"] == accuracy(report)
    assert found["accuracy"] == pytest.approx(accuracy(report), abs=1 / 300)


def test_predict_says_of_images_what_the_training_run_said(learnt, fashion):
    workspace, report = learnt
    made = gapscope.jobs.predict.run(PredictConfig(model=report.run, dataset="fashion-mnist", workspace=str(workspace)))
    own = json.loads(Path(report.run, "results.json").read_text())["results"]
    assert [row.row() for row in made.results] == [row for row in own if row["split"] == "test"]
    folder = "predictions/fashion-mnist-test"
    assert pq.read_table(f"{made.run}/{folder}").equals(pq.read_table(f"{report.run}/{folder}"))
    assert pq.read_table(f"{made.run}/rejected.parquet").num_rows == 0


def test_predict_continues_where_it_was_killed(learnt, monkeypatch):
    workspace, report = learnt
    config = PredictConfig(model=report.run, dataset="fashion-mnist+blur", workspace=str(workspace), device="cpu")
    first = gapscope.jobs.predict.run(config)
    manifest = Location.of(first.run) / "manifest.json"
    write_json(manifest, read_json(manifest) | {"status": "running"})
    monkeypatch.setattr(Trained, "scores", None)
    again = gapscope.jobs.predict.run(config)
    assert (again.run, again.results) == (first.run, first.results)


def test_predict_warns_of_images_that_were_learnt_from(learnt):
    workspace, report = learnt
    made = gapscope.jobs.predict.run(
        PredictConfig(model=report.run, dataset="fashion-mnist", split="train", workspace=str(workspace))
    )
    assert any("fashion-mnist/train is what the network was trained on" in text for text in texts_of(made))


def test_options_of_the_other_kind_of_model_are_refused(learnt, runs):
    workspace, report = learnt
    config = PredictConfig(model=report.run, dataset="fashion-mnist", workspace=str(workspace))
    with pytest.raises(InputError, match="predicts images on this machine; leave out --backbone, --scheduler"):
        gapscope.jobs.predict.run(replace(config, backbone="tiny", scheduler="tcp://somewhere:1"))
    with pytest.raises(InputError, match=r"several models; choose one with --model: .*simple-cnn-seed-0"):
        gapscope.jobs.predict.run(replace(config, model=str(runs / "runs" / "three")))


@pytest.fixture(scope="module")
def explained(learnt):
    """The report of `gap` on the network and the same images by night."""
    workspace, report = learnt
    sets = {"reference": "fashion-mnist/test", "target": "fashion-mnist+night:3/test"}
    return gapscope.jobs.gap.run(GapConfig(run=report.run, **sets, replicates=50, workspace=str(workspace)))


def test_gap_explains_a_network_by_its_own_features(explained):
    account = json.loads(Path(explained.run, "ledger.json").read_text())
    terms = {term["name"]: term["value"] for term in account["terms"]}
    assert sum(terms.values()) == pytest.approx(account["gap"]["value"], abs=1e-12)
    assert account["gap"]["value"] > 0.05
    assert max(terms, key=terms.get) in ("x_shift", "novel_x")
    assert pq.read_table(f"{explained.run}/features.parquet").num_rows == 128
    assert {"repair_mean", "domain_auc"} <= {row.metric for row in explained.results}


def test_gap_takes_the_predictions_that_the_training_run_has_made(learnt, explained):
    _, report = learnt
    account = json.loads(Path(explained.run, "ledger.json").read_text())
    assert account["reference"]["accuracy"] == accuracy(report)
    assert [path.name for path in Path(explained.run, "predictions").iterdir()] == ["fashion-mnist+night-3-test"]
    assert sorted(pq.read_table(f"{explained.run}/reasons.parquet")["sample_id"].to_pylist()) == list(range(300))


def test_shift_finds_the_features_of_a_network(learnt):
    workspace, _ = learnt
    assert find_store(Location.of(workspace), "fashion-mnist", "test", RUN).provenance.backbone == RUN
    sets = {"reference": "fashion-mnist/test", "target": ("fashion-mnist+night:3/test",)}
    config = ShiftConfig(**sets, statistics=("moments",), backbone=RUN, workspace=str(workspace))
    report = gapscope.jobs.shift.run(config)
    assert {row.dataset for row in report.results} == {"fashion-mnist+night:3"}


def test_gap_without_features_says_how_to_make_them(learnt):
    workspace, report = learnt
    sets = {"reference": "fashion-mnist/test", "target": "fashion-mnist+fog/test"}
    with pytest.raises(InputError) as error:
        gapscope.jobs.gap.run(GapConfig(run=report.run, **sets, workspace=str(workspace)))
    assert f"extract fashion-mnist+fog --split test --backbone {RUN}" in " ".join(error.value.__notes__)


def test_features_of_another_training_do_not_explain_a_network(learnt):
    workspace, report = learnt
    trained = load_trained(Location.of(report.run))
    other = Location.of(workspace) / "runs" / "retrained"
    replace(trained, model=trained.design.build(5)).save(other)
    sets = {"reference": "fashion-mnist/test", "target": "fashion-mnist+night:3/test"}
    with pytest.raises(InputError, match="features of another kind: weights_hash is"):
        gapscope.jobs.gap.run(GapConfig(run=str(other), **sets, backbone=RUN, workspace=str(workspace)))

"""Head replay: stored features and stored head say what the whole network says, and a wrong store is found out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gapscope.jobs.extract
import gapscope.jobs.replay_head
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.jobs.extract import ExtractConfig
from gapscope.jobs.replay_head import ReplayHeadConfig
from gapscope.replay import choice_of, read_head
from gapscope.store import Piece, open_store

RIGHT = ("pad_type=same", "mean=0.5", "std=0.5")


@pytest.fixture(scope="module")
def photographs(test_data, tmp_path_factory):
    """Every second class of the ImageNet sample in one split, as a class-folder tree with a `val` folder."""
    folder = tmp_path_factory.mktemp("imagenet-sample")
    (folder / "val").mkdir()
    for place in sorted((test_data / "imagenet-sample").iterdir())[::2]:
        (folder / "val" / place.name).symlink_to(place)
    return folder


@pytest.fixture(scope="module")
def settings(test_data, photographs):
    weights = test_data / "weights" / "mobilenetv2_100.imagenet.safetensors"
    return ExtractConfig(
        dataset=(str(photographs),),
        split=("val",),
        backbone="mobilenetv2_100",
        weights=str(weights),
        backbone_args=RIGHT,
        classes=test_data / "imagenet-classes.txt",
        device="cpu",
    )


@pytest.fixture(scope="module")
def extracted(settings, tmp_path_factory):
    """A workspace with the sample's embeddings by the real weights."""
    workspace = tmp_path_factory.mktemp("workspace")
    list(gapscope.jobs.extract.build(replace(settings, workspace=str(workspace))))
    return workspace


def replayed(settings, workspace, **more):
    config = ReplayHeadConfig(
        dataset=settings.dataset[0], classes=settings.classes, workspace=str(workspace), device="cpu", **more
    )
    report = gapscope.jobs.replay_head.run(config)
    return {result.metric: result.value for result in report.results}, report


def own_classes(settings, folder):
    """Top-1 classes of the sample by timm alone: its model, its transform, its loading of the weights; by file name."""
    import timm
    import torch
    from PIL import Image
    from safetensors.torch import load_file
    from timm.data import create_transform

    model = timm.create_model("mobilenetv2_100", pad_type="same").eval()
    model.load_state_dict(load_file(settings.weights))
    half = (0.5,) * 3
    transform = create_transform((3, 224, 224), mean=half, std=half, crop_pct=0.875, interpolation="bicubic")
    paths = sorted(folder.glob("val/*/*"))
    images = torch.stack([transform(Image.open(path).convert("RGB")) for path in paths])
    with torch.inference_mode():
        found = [int(index) for part in images.split(16) for index in model(part).argmax(dim=1)]
    return dict(zip([path.name for path in paths], found, strict=True))


def test_the_replayed_head_says_what_timm_alone_says(settings, extracted, photographs):
    (folder,) = (path.parent for path in Path(extracted).rglob("manifest.json"))
    store = open_store(Location(str(folder)))
    chunk = store.view().read()
    stored = read_head(store).top(chunk.x)[:, 0]
    theirs = own_classes(settings, photographs)
    whole = np.array([theirs[Path(path).name] for path in store.paths(Piece(0, store.rows))])
    assert store.rows == 80
    assert (stored == whole).all()
    assert abs(int((stored == chunk.y).sum()) - int((whole == chunk.y).sum())) <= 1


def test_verification_agrees_and_reports_both_accuracies(settings, extracted):
    found, report = replayed(settings, extracted, verify=40)
    assert found["accuracy"] > 0.85
    assert found["same_class_as_whole_network"] >= 0.975
    assert abs(found["accuracy_of_verified"] - found["accuracy_of_whole_network"]) <= 1 / 40
    assert any("agree on" in note for note in report.sentences)
    assert not any("_" in row[1] for row in report.tables[0].rows)


def test_wrong_preprocessing_shows_as_lost_accuracy(settings, extracted, tmp_path):
    wrong = replace(settings, backbone_args=(), workspace=str(tmp_path))
    list(gapscope.jobs.extract.build(wrong))
    right, _ = replayed(settings, extracted)
    lost, _ = replayed(settings, tmp_path)
    assert lost["accuracy"] <= right["accuracy"] - 0.03


def test_other_weights_than_those_of_the_store_are_refused(settings, extracted, tmp_path):
    from safetensors.numpy import load_file, save_file

    tensors = load_file(settings.weights)
    tensors["classifier.bias"] = tensors["classifier.bias"] + 1
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="are not those that made the store"):
        replayed(settings, extracted, verify=2, weights=str(tmp_path / "other.safetensors"))


def test_a_store_without_a_head_is_refused(tmp_path):
    config = ExtractConfig(
        dataset=("digits",), split=("test",), workspace=str(tmp_path), decode_workers=0, device="cpu"
    )
    list(gapscope.jobs.extract.build(config))
    with pytest.raises(InputError, match="has no head"):
        gapscope.jobs.replay_head.run(ReplayHeadConfig(dataset="digits", split=("test",), workspace=str(tmp_path)))


def test_labels_that_do_not_number_the_heads_classes_are_not_compared(tmp_path):
    config = ExtractConfig(
        dataset=("digits",),
        split=("test",),
        backbone="mobilenetv3_small_050",
        weights="random",
        image_size=32,
        seed=3,
        workspace=str(tmp_path),
        device="cpu",
    )
    list(gapscope.jobs.extract.build(config))
    replay = ReplayHeadConfig(dataset="digits", split=("test",), verify=20, workspace=str(tmp_path), device="cpu")
    report = gapscope.jobs.replay_head.run(replay)
    assert [result.metric for result in report.results] == ["same_class_as_whole_network"]
    assert report.results[0].value >= 0.95
    assert any("labels are not compared" in note for note in report.sentences)


def test_the_choice_that_a_store_records_loads_the_same_backbone(extracted):
    (manifest,) = Path(extracted).rglob("manifest.json")
    provenance = open_store(Location(str(manifest.parent))).provenance
    backbone = choice_of(provenance, device="cpu").load()
    assert backbone.weights_hash == provenance.weights_hash
    assert backbone.preprocessing.as_dict() == provenance.preprocessing

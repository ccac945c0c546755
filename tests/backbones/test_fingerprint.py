"""Ten images that are the same everywhere, references by other code, and a network that is used wrongly."""

import hashlib

import numpy as np
import pytest

import gapscope.jobs.check_backbone
from gapscope.backbones import load_backbone
from gapscope.backbones.fingerprint import ALIKE, Reference, cosines, fingerprint, reference_of, references
from gapscope.backbones.pictures import pictures
from gapscope.core.errors import InputError
from gapscope.jobs.check_backbone import CheckBackboneConfig

RIGHT = ("pad_type=same", "mean=0.5", "std=0.5")
DIGEST = "5110be3be790fbc5508b970f0b9f6b36a547820cd260587b6bfcbe56d7a03250"


def test_the_ten_images_are_the_same_bytes_on_every_machine():
    content = b"".join(picture.tobytes() for picture in pictures())
    assert hashlib.sha256(content).hexdigest() == DIGEST
    assert len({picture.shape for picture in pictures()}) == 10
    assert all(picture.std() > 5 for picture in pictures())


def test_every_reference_names_its_code_and_has_a_row_for_each_image():
    assert references()
    for reference in references():
        assert reference.source
        assert len(reference.vectors) == 10
        assert len(reference.weights_hash) == 64


@pytest.fixture(scope="module")
def checked(test_data):
    """A function that checks MobileNetV2 with arguments."""

    def check(*arguments, **options):
        weights = str(test_data / "weights" / "mobilenetv2_100.imagenet.safetensors")
        config = CheckBackboneConfig(
            backbone="mobilenetv2_100", weights=weights, backbone_args=arguments, device="cpu", **options
        )
        return gapscope.jobs.check_backbone.run(config)

    return check


def test_the_real_weights_agree_with_timm_and_not_where_they_are_used_wrongly(checked):
    assert checked(*RIGHT).exit_code == 0
    for wrong in (("pad_type=same",), ("mean=0.5", "std=0.5"), (*RIGHT, "crop_pct=0.8")):
        assert checked(*wrong).exit_code == 1


def test_a_new_reference_is_written_where_both_agree_and_nowhere_else(tmp_path):
    backbone = load_backbone("resnet10t", "random", device="cpu", image_size=64)
    own, noise = fingerprint(backbone), np.random.default_rng(0)
    for name, vectors in (("own", own), ("other", own + own.std() * noise.standard_normal(own.shape))):
        np.save(tmp_path / f"{name}.npy", vectors)
    settings = {
        "backbone": "resnet10t",
        "weights": "random",
        "image_size": 64,
        "device": "cpu",
        "source": "somebody 1.0",
    }
    config = CheckBackboneConfig(**settings, against=str(tmp_path / "own.npy"), out=str(tmp_path / "new"))
    assert gapscope.jobs.check_backbone.run(config).exit_code == 0
    new = Reference.load(tmp_path / "new.safetensors")
    assert (new.weights_hash, new.source) == (backbone.weights_hash, "somebody 1.0")
    assert cosines(own, new.vectors).min() > ALIKE
    with pytest.raises(InputError, match="no reference is written"):
        gapscope.jobs.check_backbone.run(
            CheckBackboneConfig(**settings, against=str(tmp_path / "other.npy"), out=str(tmp_path / "bad"))
        )
    assert reference_of(backbone) is None


def test_what_cannot_be_compared_is_explained(tmp_path):
    (tmp_path / "empty.npy").write_bytes(b"")
    np.save(tmp_path / "few.npy", np.ones((3, 768)))
    for options, sentence in (
        ({}, "no reference for tiny"),
        ({"against": str(tmp_path / "empty.npy")}, "holds no embeddings"),
        ({"against": str(tmp_path / "few.npy")}, "a row for each image"),
    ):
        with pytest.raises(InputError, match=sentence):
            gapscope.jobs.check_backbone.run(CheckBackboneConfig(backbone="tiny", device="cpu", **options))
    with pytest.raises(InputError, match="name the network"):
        gapscope.jobs.check_backbone.run(CheckBackboneConfig())


def test_the_images_are_written_for_other_code(tmp_path):
    from PIL import Image

    gapscope.jobs.check_backbone.run(CheckBackboneConfig(write_images=tmp_path / "ten"))
    paths = sorted((tmp_path / "ten").iterdir())
    assert all(np.array_equal(np.asarray(Image.open(p)), one) for p, one in zip(paths, pictures(), strict=True))

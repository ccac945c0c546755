"""Which tensor of a network is stored, and that the provenance says so."""

import json

import numpy as np
import pytest
import torch

import gapscope.jobs.extract
from gapscope.backbones import load_backbone
from gapscope.backbones.tensor import names_of
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.jobs.extract import ExtractConfig
from gapscope.store import open_store

SMALL = {"depth": 2, "embed_dim": 32, "num_heads": 2, "img_size": 64}
VIT, DINO = "vit_tiny_patch16_224", "vit_small_patch16_dinov3"


def small(name, **settings):
    size = {} if "dino" in name else {"image_size": 64}
    arguments = {key: value for key, value in SMALL.items() if key != "img_size" or "dino" in name}
    return load_backbone(name, "random", device="cpu", arguments=arguments, **size, **settings)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (3, 64, 64, 3), np.uint8)


def tokens(backbone, images):
    with torch.inference_mode():
        return backbone.network.model.forward_features(backbone._pixels(images)).numpy()


@pytest.mark.parametrize(("name", "prefix"), [(VIT, 1), (DINO, 5)])
def test_each_pooling_is_its_arithmetic_on_the_last_tokens_and_one_pass_gives_all(name, prefix, images):
    pools = ("token", "avg", "max", "token+avg")
    backbone = small(name, tensors=pools)
    if "dino" in name:
        images = np.tile(images, (1, 4, 4, 1))[:, : backbone.preprocessing.size[0], : backbone.preprocessing.size[1]]
    all_tokens = tokens(backbone, images)
    patches = all_tokens[:, prefix:]
    expected = [all_tokens[:, 0], patches.mean(axis=1), patches.max(axis=1)]
    expected.append(np.concatenate(expected[:2], axis=1))
    np.testing.assert_allclose(backbone.features(images), np.concatenate(expected, axis=1), atol=1e-5)
    assert [part.tensor.pooling for part in backbone.parts] == list(pools)
    assert {part.tensor.prefix_tokens for part in backbone.parts} == {prefix}
    assert [part.name for part in backbone.parts] == [f"{name}#{pool}" for pool in pools]
    for part, one in zip(backbone.parts, expected, strict=True):
        assert part.dim == one.shape[1]
        np.testing.assert_allclose(part.features(images), one, atol=1e-5)


def test_a_layer_gives_what_its_module_gives_and_no_head(images):
    backbone = small(f"{VIT}#blocks.0:avg")
    seen = []
    backbone.network.model.blocks[0].register_forward_hook(lambda module, inputs, output: seen.append(output))
    found = backbone.features(images)
    np.testing.assert_allclose(found, seen[0].numpy()[:, 1:].mean(axis=1), atol=1e-6)
    assert (backbone.layer, backbone.tensor.pooling, backbone.tensor.norm, backbone.head) == (
        "blocks.0",
        "avg",
        "",
        None,
    )


def test_the_class_token_of_a_network_that_uses_it_keeps_its_head(images):
    plain, token, avg = (small(name) for name in (VIT, f"{VIT}#token", f"{VIT}#avg"))
    assert np.array_equal(plain.head.weight, token.head.weight)
    assert (plain.tensor.head, avg.tensor.head, avg.head) == ("classifier", "", None)


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto", "torchvision:resnet18", "swin_tiny_patch4_window7_224"])
def test_maps_are_averaged_over_their_places_whatever_the_order_of_their_axes(name, rng):
    weights, size = "random", 224 if "swin" in name else 64
    settings = {"depths": (1, 1, 1, 1)} if "swin" in name else {}
    own, avg = (
        load_backbone(one, weights, device="cpu", image_size=size, arguments=settings) for one in (name, f"{name}#avg")
    )
    images = rng.integers(0, 256, (2, size, size, 3), np.uint8)
    np.testing.assert_allclose(avg.features(images), own.features(images), rtol=1e-4, atol=1e-4)
    assert avg.tensor.pooling == "avg"
    with pytest.raises(InputError, match="no class token"):
        load_backbone(f"{name}#token", weights, device="cpu", image_size=size, arguments=settings)


def test_what_timm_does_otherwise_than_the_authors_is_said_and_can_be_had_right():
    (said,) = small(DINO).notes
    assert "authors take the class token; --pool token" in said
    assert not small(f"{DINO}#token").notes
    clip = {"image_size": 32}
    gelu, quick = (
        load_backbone(
            name, "random", device="cpu", arguments={k: v for k, v in SMALL.items() if k != "img_size"}, **clip
        )
        for name in ("vit_base_patch16_clip_224.openai", "vit_base_patch16_clip_quickgelu_224.openai")
    )
    assert "--backbone vit_base_patch16_clip_quickgelu_224.openai" in gelu.notes[0]
    assert (gelu.tensor.activation, quick.tensor.activation, quick.notes) == ("gelu", "quick_gelu", ())
    assert quick.tensor.head == "projection"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (f"{VIT}#blocks.77:avg", "no layer named 'blocks.77'"),
        (f"{VIT}#blocks.0:mean", "no pooling 'mean'"),
        ("tiny#avg", "name a module of it with --layer"),
    ],
)
def test_a_tensor_that_is_not_there_is_explained_in_one_sentence(name, sentence):
    with pytest.raises(InputError, match=sentence):
        load_backbone(name, "" if name == "tiny#avg" else "random", device="cpu")


def test_pools_and_layers_are_combined_and_never_added_to_a_name_that_has_one():
    assert names_of("a", (), ()) == ["a"]
    assert names_of("a", ("b",), ("token", "avg")) == ["a#b:token", "a#b:avg"]
    with pytest.raises(InputError, match="leave out --pool"):
        names_of("a#avg", (), ("avg",))


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """A workspace with three tensors of the embedded digits, from one run."""
    workspace = tmp_path_factory.mktemp("workspace")
    config = ExtractConfig(
        dataset=("digits",),
        split=("test",),
        backbone=VIT,
        weights="random",
        backbone_args=("depth=2 embed_dim=32 num_heads=2",),
        image_size=32,
        pool=("token", "avg"),
        part_rows=200,
        workspace=str(workspace),
        device="cpu",
        decode_workers=0,
    )
    return config, list(gapscope.jobs.extract.build(config))


def test_each_tensor_has_a_store_whose_provenance_says_which_it_is(extracted):
    config, outcomes = extracted
    root = Location(config.workspace) / "embeddings"
    assert sorted(root.names()) == [f"{VIT}-avg", f"{VIT}-token"]
    one, other = (outcome.manifest for outcome in outcomes)
    assert one.rows == other.rows > 0
    assert [made.provenance.tensor.pooling for made in (one, other)] == ["token", "avg"]
    manifest = json.loads((root / f"{VIT}-token" / "digits" / "test" / "manifest.json").read_bytes())
    expected = {"pooling": "token", "prefix_tokens": 1, "activation": "gelu", "norm": "norm"}
    assert manifest["provenance"]["tensor"] == {**expected, "head": "classifier", "joint": False}


def test_several_tensors_of_one_pass_are_those_of_passes_of_their_own(extracted, tmp_path):
    config, _ = extracted
    alone = gapscope.jobs.extract.replace(config, pool=(), backbone=f"{VIT}#avg", workspace=str(tmp_path))
    list(gapscope.jobs.extract.build(alone))
    place = f"embeddings/{VIT}-avg/digits/test"
    one, other = (open_store(Location(str(root)) / place) for root in (config.workspace, tmp_path))
    assert one.digest == other.digest


def test_a_tensor_that_lost_a_part_gets_it_back_and_the_other_is_left_alone(extracted):
    config, _ = extracted
    place = Location(config.workspace) / "embeddings" / f"{VIT}-avg" / "digits" / "test"
    before = open_store(place).digest
    (place / "part-00000.parquet").delete()
    token, avg = gapscope.jobs.extract.build(config)
    assert (token.images, avg.images) == (0, 200)
    assert open_store(place).digest == before
    assert [one.images for one in gapscope.jobs.extract.build(config)] == [0, 0]

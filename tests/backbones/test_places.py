"""Backbones that lie in folders and files, or that a function of the user's own makes, against their own libraries."""

import json
import pickle
from dataclasses import replace

import numpy as np
import onnx
import pytest
import timm
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

import gapscope.jobs.extract
from gapscope.backbones import BackboneChoice, load_backbone, names_code
from gapscope.backbones.processor import preprocessing_of
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.jobs.extract import ExtractConfig
from gapscope.replay import choice_of
from gapscope.store import open_store

ARCHITECTURE = "mobilenetv3_small_050"
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL |= {"image_size": 32, "patch_size": 8}


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (3, 32, 32, 3), np.uint8)


def normalised(images, mean=0.5, std=0.5):
    return torch.from_numpy(((images / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32))


# timm's folders


@pytest.fixture(scope="module")
def timm_folder(tmp_path_factory):
    """A model as timm saves it for a hub: its architecture, its input, its weights and the names of its classes."""
    folder = tmp_path_factory.mktemp("model")
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = timm.create_model(ARCHITECTURE, num_classes=3).eval()
    save_file(model.state_dict(), folder / "model.safetensors")
    inputs = {
        "input_size": [3, 32, 32],
        "mean": [0.1] * 3,
        "std": [0.2] * 3,
        "interpolation": "bilinear",
        "crop_pct": 1.0,
    }
    config = {"architecture": ARCHITECTURE, "num_classes": 3, "pretrained_cfg": inputs, "label_names": ["a", "b", "c"]}
    (folder / "config.json").write_text(json.dumps(config))
    return folder, model


def test_a_folder_of_timm_is_loaded_with_its_input_its_weights_and_its_classes(timm_folder, images):
    folder, model = timm_folder
    backbone = load_backbone(f"local-dir:{folder}", device="cpu")
    with torch.inference_mode():
        expected = model.forward_head(model.forward_features(normalised(images, 0.1, 0.2)), pre_logits=True).numpy()
    np.testing.assert_allclose(backbone.features(images), expected, rtol=1e-4, atol=1e-5)
    assert backbone.head.class_names == ("a", "b", "c")
    assert backbone.preprocessing.interpolation == "bilinear"


def test_a_repository_of_the_hub_is_the_folder_in_its_cache(timm_folder, monkeypatch):
    folder, _ = timm_folder
    asked = []

    def cached(repository, file, revision=None):
        asked.append((repository, revision))
        return str(folder / file) if (folder / file).is_file() else None

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)
    there = load_backbone("hf-hub:someone/model@v2", device="cpu")
    assert there.weights_hash == load_backbone(f"local-dir:{folder}", device="cpu").weights_hash
    assert there.weights == "pretrained, hf-hub:someone/model@v2"
    assert set(asked) == {("someone/model", "v2")}


@pytest.mark.parametrize(
    ("content", "sentence"), [("{", "is no JSON"), ("[1]", "names no architecture"), (None, "has no config.json")]
)
def test_a_folder_that_describes_no_model_is_refused(content, sentence, tmp_path):
    if content:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=sentence):
        load_backbone(f"local-dir:{tmp_path}", device="cpu")


# transformers


def saved(model, folder, **processor):
    model.eval().save_pretrained(folder)
    plain = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 32, "width": 32}, "resample": 2}
    (folder / "preprocessor_config.json").write_text(json.dumps(plain | processor))
    return f"transformers:{folder}"


def test_a_classifier_of_transformers_has_its_head_and_its_own_logits(tmp_path, images):
    config = transformers.ViTConfig(**SMALL, num_labels=4)
    model = transformers.ViTForImageClassification(config)
    backbone = load_backbone(saved(model, tmp_path), device="cpu")
    with torch.inference_mode():
        expected = model(pixel_values=normalised(images)).logits.numpy()
    found = backbone.features(images) @ backbone.head.weight.T + backbone.head.bias
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert (backbone.dim, backbone.tensor.prefix_tokens, backbone.tensor.head) == (32, 1, "classifier")


def test_an_encoder_without_pooling_weights_gives_its_class_token_and_no_random_numbers(tmp_path, images):
    model = transformers.ViTModel(transformers.ViTConfig(**SMALL), add_pooling_layer=False)
    name = saved(model, tmp_path)
    one, again, avg = (load_backbone(f"{name}{part}", device="cpu") for part in ("", "", "#avg"))
    with torch.inference_mode():
        tokens = model(pixel_values=normalised(images)).last_hidden_state.numpy()
    np.testing.assert_allclose(one.features(images), tokens[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(avg.features(images), tokens[:, 1:].mean(axis=1), rtol=1e-4, atol=1e-5)
    assert one.weights_hash == again.weights_hash
    assert one.tensor.pooling == "token"


def test_registers_are_no_patches(tmp_path, images):
    config = transformers.Dinov2WithRegistersConfig(**SMALL, num_register_tokens=4)
    model = transformers.Dinov2WithRegistersModel(config)
    backbone = load_backbone(saved(model, tmp_path) + "#avg", device="cpu")
    with torch.inference_mode():
        tokens = model(pixel_values=normalised(images)).last_hidden_state.numpy()
    np.testing.assert_allclose(backbone.features(images), tokens[:, 5:].mean(axis=1), rtol=1e-4, atol=1e-5)


def test_the_image_tower_of_clip_has_its_projection_as_head(tmp_path, images):
    text = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 9,
    }
    config = transformers.CLIPConfig(text_config=text, vision_config=SMALL, projection_dim=8)
    model = transformers.CLIPModel(config)
    backbone = load_backbone(saved(model, tmp_path), device="cpu")
    with torch.inference_mode():
        vision = model.vision_model(pixel_values=normalised(images)).pooler_output
        expected = model.visual_projection(vision).numpy()
    np.testing.assert_allclose(backbone.features(images), vision.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(backbone.features(images) @ backbone.head.weight.T, expected, rtol=1e-4, atol=1e-5)
    assert (backbone.tensor.head, backbone.tensor.activation) == ("projection", "quick_gelu")


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("ViTImageProcessorPil", {"size": {"height": 40, "width": 56}}),
        ("CLIPImageProcessorPil", {}),
        ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 96}, "crop_pct": 0.8}),
        ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 384}}),
        ("SiglipImageProcessorPil", {}),
        ("DeiTImageProcessorPil", {}),
    ],
)
def test_pixels_equal_those_of_the_processors_of_transformers(kind, settings, rng):
    theirs = getattr(transformers, kind, None) or getattr(transformers, kind.removesuffix("Pil"))  # before version 5
    theirs = theirs(**settings)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
    image = coarse.resize((333, 250), Image.Resampling.BICUBIC)
    ours = preprocessing_of(json.loads(theirs.to_json_string()), {}, 224, "here")
    pixels = (ours.prepare(image) / 255 - np.array(ours.mean)) / np.array(ours.std)
    expected = np.asarray(theirs(image)["pixel_values"][0]).transpose(1, 2, 0)
    np.testing.assert_allclose(pixels, expected, atol=0.02)


def test_what_an_image_processor_does_beyond_that_is_refused():
    with pytest.raises(InputError, match="says do_pad=True"):
        preprocessing_of({"do_pad": True}, {}, 224, "preprocessor_config.json")


def test_a_folder_that_is_no_model_of_transformers_is_refused(tmp_path):
    with pytest.raises(InputError, match="no model that transformers knows"):
        load_backbone(f"transformers:{tmp_path}", device="cpu")


# ONNX


def onnx_file(path, rng, *, last="Gemm", batch="n"):
    """A convolution, rectification, mean over places, and a linear layer; or without that."""
    kernel = rng.standard_normal((6, 3, 3, 3)).astype(np.float32)
    weight, bias = rng.standard_normal((4, 6)).astype(np.float32), rng.standard_normal(4).astype(np.float32)
    node, numpy_helper = onnx.helper.make_node, onnx.numpy_helper
    nodes = [
        node("Conv", ["pixels", "kernel"], ["maps"]),
        node("Relu", ["maps"], ["rectified"]),
        node("GlobalAveragePool", ["rectified"], ["pooled"]),
        node("Flatten", ["pooled"], ["flat"]),
        *([node("Gemm", ["flat", "weight", "bias"], ["logits"], transB=1)] if last == "Gemm" else []),
    ]
    output = "logits" if last == "Gemm" else "flat"
    graph = onnx.helper.make_graph(
        nodes,
        "network",
        [onnx.helper.make_tensor_value_info("pixels", 1, [batch, 3, 32, 32])],
        [onnx.helper.make_tensor_value_info(output, 1, [batch, None])],
        [numpy_helper.from_array(one, name) for name, one in (("kernel", kernel), ("weight", weight), ("bias", bias))],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return kernel, weight, bias


@pytest.mark.parametrize("batch", ["n", 1])
def test_an_onnx_classifier_gives_what_its_last_layer_sees_and_that_layer(batch, tmp_path, rng, images):
    kernel, weight, bias = onnx_file(tmp_path / "net.onnx", rng, batch=batch)
    backbone = load_backbone(f"onnx:{tmp_path / 'net.onnx'}", device="cpu", arguments={"mean": 0.5, "std": 0.5})
    maps = torch.nn.functional.conv2d(normalised(images), torch.from_numpy(kernel)).relu().mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(backbone.features(images), maps, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(backbone.logits(images), maps @ weight.T + bias, rtol=1e-4, atol=1e-4)
    assert np.array_equal(backbone.head.weight, weight)
    assert not backbone.notes


def test_an_onnx_encoder_has_no_head_and_says_what_it_assumes(tmp_path, rng, images):
    onnx_file(tmp_path / "net.onnx", rng, last="")
    backbone = load_backbone(f"onnx:{tmp_path / 'net.onnx'}", device="cpu")
    assert backbone.head is None
    assert backbone.features(images).shape == (3, 6)
    assert "mean and std" in backbone.notes[0]


def test_another_onnx_file_under_the_same_name_has_another_hash(tmp_path, rng):
    hashes = set()
    for _ in range(2):
        onnx_file(tmp_path / "net.onnx", rng)
        hashes.add(load_backbone(f"onnx:{tmp_path / 'net.onnx'}", device="cpu").weights_hash)
    assert len(hashes) == 2


@pytest.mark.parametrize("content", [b"", b"no network", b"\x08\x07" * 50])
def test_a_file_that_is_no_onnx_network_is_refused(content, tmp_path):
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"net\.onnx"):
        load_backbone(f"onnx:{tmp_path / 'net.onnx'}", device="cpu")


def test_without_onnxruntime_the_extra_is_named(tmp_path, rng, monkeypatch):
    onnx_file(tmp_path / "net.onnx", rng)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r'pip install "gapscope\[onnx\]"'):
        load_backbone(f"onnx:{tmp_path / 'net.onnx'}", device="cpu")


# functions of the user's own

CODE = """
import torch
from torch import nn


def network(width=5):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4))
    about = {"mean": 0.5, "std": 0.5, "input_size": 32, "classifier": "4", "class_names": ["a", "b", "c", "d"]}
    return model, about


def bare():
    return nn.Sequential(nn.Conv2d(3, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def wrong():
    return 3


def failing():
    raise RuntimeError("no such thing")
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_networks"
    __import__("sys").modules.pop("own_networks", None)


def test_a_function_makes_a_backbone_with_its_input_its_head_and_its_arguments(own, images):
    backbone = load_backbone(f"{own}:network", device="cpu", arguments={"width": 6})
    assert (backbone.dim, backbone.preprocessing.size, backbone.head.class_names) == (6, (32, 32), tuple("abcd"))
    logits = backbone.features(images) @ backbone.head.weight.T + backbone.head.bias
    np.testing.assert_allclose(logits, backbone.logits(images), rtol=1e-4, atol=1e-5)
    assert not backbone.notes


def test_an_input_that_is_not_stated_is_assumed_and_said(own):
    assert "does not say mean and std" in load_backbone(f"{own}:bare", device="cpu").notes[0]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("own_networks:wrong", "returned int; wanted a torch.nn.Module"),
        ("own_networks:failing", "failed: RuntimeError: no such thing"),
        ("own_networks:absent", "there is no function"),
        ("own_networks:CODE", "there is no function"),
    ],
)
def test_a_function_that_makes_no_network_is_refused(own, name, sentence):
    with pytest.raises(InputError, match=sentence):
        load_backbone(name, device="cpu")


def test_code_that_a_store_names_runs_only_when_the_user_names_it(own, tmp_path):
    config = ExtractConfig(
        dataset=("digits",), split=("test",), backbone=f"{own}:network", workspace=str(tmp_path / "w"), device="cpu"
    )
    (outcome,) = gapscope.jobs.extract.build(replace(config, decode_workers=0))
    made = outcome.manifest.provenance
    assert "code sha256" in made.weights
    with pytest.raises(InputError, match=r"only when you name it yourself; add --backbone own_networks:network"):
        choice_of(made)
    backbone = choice_of(made, device="cpu", typed="own_networks:network").load()
    assert backbone.weights_hash == made.weights_hash
    assert (
        open_store(Location(str(tmp_path / "w/embeddings/own_networks-network/digits/test"))).rows
        == made.fingerprint.count
    )


def test_only_names_of_functions_are_code_and_their_choice_is_never_taken_for_unchanged():
    plain = (
        "tiny",
        "resnet18",
        "torchvision:resnet18",
        "run:x",
        "hf-hub:a/b",
        "local-dir:/x",
        "transformers:/x",
        "onnx:f",
    )
    assert not any(names_code(name) or not BackboneChoice(name).mark() for name in plain)
    assert names_code("mine:network#avg")
    assert BackboneChoice("mine:network").mark() == ""
    assert pickle.loads(pickle.dumps(BackboneChoice("mine:network", tensors=("avg",)))).tensors == ("avg",)

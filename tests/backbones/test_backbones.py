"""One contract for every backbone, and preprocessing compared with the libraries' own."""

import argparse
import pickle
import re
import warnings
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from gapscope.backbones import BACKBONES, load_backbone, load_default_backbone, parse_backbone_args, search_backbones
from gapscope.backbones.preprocessing import Preprocessing
from gapscope.core.errors import InputError

SMALL = (
    "tiny",
    "resnet18",
    "mobilenetv3_small_050",
    "vit_tiny_patch16_224",
    "convnext_atto",
    "torchvision:resnet18",
    "torchvision:squeezenet1_1",
    "torchvision:googlenet",
    "torchvision:mobilenet_v3_small",
    "torchvision:shufflenet_v2_x0_5",
    "torchvision:vit_b_32",
)
SIZES = [(224, 224), (500, 375), (375, 500), (333, 517), (64, 900), (231, 230), (1, 1), (1, 40), (2000, 1500)]


def backbone_named(name, **settings):
    return load_backbone(name, "" if name == "tiny" else "random", device="cpu", **settings)


@pytest.fixture(scope="module", params=SMALL)
def backbone(request):
    return backbone_named(request.param)


@pytest.fixture(scope="module")
def images(backbone):
    return np.random.default_rng(1).integers(0, 256, (8, *backbone.preprocessing.size, 3), np.uint8)


@pytest.fixture(scope="module")
def found(backbone, images):
    return backbone.features(images)


def test_features_are_finite_float32_of_the_declared_dimension(backbone, found):
    assert found.dtype == np.float32
    assert found.shape == (8, backbone.dim)
    assert np.isfinite(found).all()


def test_features_are_the_same_twice(backbone, images, found):
    assert np.array_equal(backbone.features(images), found)


def test_one_image_alone_has_the_features_it_has_in_a_batch(backbone, images, found):
    alone = np.concatenate([backbone.features(images[i : i + 1]) for i in range(8)])
    np.testing.assert_allclose(alone, found, rtol=1e-4, atol=1e-4 * np.abs(found).max())


def test_features_do_not_depend_on_the_neighbours_to_the_last_bit(backbone, images, found):
    neighbours_gone = images.copy()
    neighbours_gone[1::2] = 0
    assert np.array_equal(found[::2], backbone.features(neighbours_gone)[::2])


def test_the_head_on_the_features_is_the_whole_network(backbone, images, found):
    if backbone.head is None:
        assert backbone.name in ("tiny", "torchvision:squeezenet1_1")
        return
    logits = found @ backbone.head.weight.T + backbone.head.bias
    whole = backbone.logits(images)
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-4 * np.abs(whole).max())


def test_preparing_an_image_needs_no_network_and_gives_pixels_of_the_input_size(backbone, rng):
    preprocessing = pickle.loads(pickle.dumps(backbone.preprocessing))
    image = Image.fromarray(rng.integers(0, 256, (50, 70, 3), np.uint8))
    found = preprocessing.prepare(image)
    assert found.dtype == np.uint8
    assert found.shape == (*preprocessing.size, 3)
    assert len(pickle.dumps(preprocessing)) < 1000


@cache
def preprocessing_of(options):
    return backbone_named("mobilenetv3_small_050", arguments=dict(options)).preprocessing


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("crop_mode", "crop_pct", "interpolation"),
    [
        ("center", 0.875, "bicubic"),
        ("center", 0.95, "bilinear"),
        ("center", 0.9, "nearest"),
        ("squash", 0.9, "lanczos"),
        ("border", 0.9, "bicubic"),
    ],
)
def test_pixels_equal_those_of_timms_own_transform(crop_mode, crop_pct, interpolation, size, rng):
    from timm.data import create_transform

    if crop_mode == "border" and 40 * min(size) <= max(size):
        pytest.skip("timm itself cannot shrink this to nothing")
    options = {"crop_pct": crop_pct, "crop_mode": crop_mode, "interpolation": interpolation}
    ours = preprocessing_of(tuple(options.items()))
    image = picture(size, rng)
    theirs = create_transform((3, 224, 224), normalize=False, **options)(image)
    assert np.array_equal(ours.prepare(image), theirs.permute(1, 2, 0).numpy())


@cache
def residual():
    return backbone_named("torchvision:resnet18")


@pytest.mark.parametrize("size", SIZES)
def test_pixels_equal_those_of_torchvisions_own_transform(size, rng):
    import torchvision

    weights = torchvision.models.ResNet18_Weights.DEFAULT
    backbone = residual()
    image = picture(size, rng)
    prepared = backbone.preprocessing.prepare(image)[None]
    theirs = weights.transforms()(image)
    assert torch.allclose(backbone._pixels(prepared)[0], theirs, atol=1e-6)


def picture(size, rng):
    """Smooth shapes with noise, `size` as (width, height)."""
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noise = rng.integers(-20, 21, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(coarse).astype(int) + noise, 0, 255).astype(np.uint8))


def test_normalisation_is_that_of_the_configuration(rng):
    backbone = backbone_named("resnet18", arguments={"mean": 0.25, "std": (0.5, 1.0, 2.0)})
    images = rng.integers(0, 256, (2, 224, 224, 3), np.uint8)
    expected = (images / 255 - 0.25) / np.array([0.5, 1.0, 2.0])
    np.testing.assert_allclose(backbone._pixels(images).permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)


def test_random_weights_are_decided_by_the_seed_and_recorded():
    one, same, other = (load_backbone("resnet18", "random", device="cpu", seed=seed) for seed in (1, 1, 2))
    assert one.weights_hash == same.weights_hash != other.weights_hash
    assert one.weights == "random, seed 1"


def test_loading_leaves_the_random_numbers_of_the_caller_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    backbone_named("torchvision:resnet18")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("wrapper", ["", "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_a_checkpoint_loads_as_the_safetensors_file_does(wrapper, prefix, tmp_path):
    state = load_backbone("mobilenetv3_small_050", "random", device="cpu", seed=3).network.model.state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "w.safetensors")
    named = {prefix + name: tensor for name, tensor in state.items()}
    beside = {"epoch": 3, "args": argparse.Namespace(model="x"), "metric": np.float64(0.5)}
    torch.save({wrapper: named, **beside} if wrapper else named, tmp_path / "w.pth")
    one, other = (
        load_backbone("mobilenetv3_small_050", str(tmp_path / name), device="cpu")
        for name in ("w.safetensors", "w.pth")
    )
    assert one.weights_hash == other.weights_hash


def test_a_checkpoint_says_how_many_classes_it_knows(tmp_path):
    made = load_backbone("resnet18", "random", device="cpu", arguments={"num_classes": 7})
    save_file({k: v.contiguous() for k, v in made.network.model.state_dict().items()}, tmp_path / "seven.safetensors")
    assert load_backbone("resnet18", str(tmp_path / "seven.safetensors"), device="cpu").head.weight.shape == (7, 512)


class Code:
    def __reduce__(self):
        return print, ("this must not run",)


def test_a_checkpoint_with_code_in_it_is_refused_and_not_run(tmp_path, capsys):
    torch.save({"state_dict": Code()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match=r"can be read safely: it holds a [\w.]*print, which may run code"):
        load_backbone("resnet18", str(tmp_path / "evil.pth"), device="cpu")
    assert "must not run" not in capsys.readouterr().out


class Doubled(torch.nn.Module):
    def forward(self, x):
        return 2 * x


@pytest.mark.parametrize("kind", ["a network of TorchScript", "a program of torch.export"])
def test_a_program_in_place_of_weights_is_called_so_with_a_way_out(kind, tmp_path):
    made = Doubled()
    if "Script" in kind:
        with warnings.catch_warnings(action="ignore"):  # newer versions call it deprecated
            torch.jit.script(made).save(tmp_path / "w.pt")
    else:
        torch.export.save(torch.export.export(made, (torch.zeros(2),)), tmp_path / "w.pt")
    with pytest.raises(InputError, match=rf"it is {kind}, which holds code; .*state_dict.*onnx:FILE"):
        load_backbone("resnet18", str(tmp_path / "w.pt"), device="cpu")


def test_the_only_tensors_of_a_checkpoint_are_found_under_any_name(tmp_path):
    made = load_backbone("resnet18", "random", device="cpu").network.model.state_dict()
    torch.save({"net": made, "acc": 93.2, "optimizer": {"state": {}, "param_groups": []}}, tmp_path / "w.pth")
    assert load_backbone("resnet18", str(tmp_path / "w.pth"), device="cpu").head.weight.shape == (1000, 512)


def test_a_file_in_place_of_a_name_of_a_network_says_where_it_belongs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({}, "mine.pt")
    with pytest.raises(InputError, match=r"and its file with --weights mine\.pt"):
        load_backbone("mine.pt", device="cpu")


def test_a_page_in_place_of_a_checkpoint_is_named_by_how_it_begins(tmp_path):
    (tmp_path / "w.pth").write_text("<html>404</html>")
    with pytest.raises(InputError, match=r"it is no checkpoint of PyTorch, it begins with b'<html>404</h'"):
        load_backbone("resnet18", str(tmp_path / "w.pth"), device="cpu")


@pytest.mark.parametrize("damage", ["half", "empty", "half of an old one", "half of safetensors"])
def test_a_file_of_weights_that_is_cut_off_is_said_to_be_so(damage, tmp_path):
    state = {"weight": torch.zeros(1000)}
    place = tmp_path / ("w.safetensors" if "safetensors" in damage else "w.pth")
    save_file(state, place) if "safetensors" in damage else torch.save(
        state, place, _use_new_zipfile_serialization="old" not in damage
    )
    place.write_bytes(b"" if damage == "empty" else place.read_bytes()[: place.stat().st_size // 2])
    with pytest.raises(InputError, match=r"it is cut off or damaged, and has [\d,]+ bytes; fetch it again$"):
        load_backbone("resnet18", str(place), device="cpu")


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    state = load_backbone("resnet10t", "random", device="cpu", image_size=32).network.model.state_dict()
    torch.save(state | {"conv1.0.weight": torch.full_like(state["conv1.0.weight"], torch.nan)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"w\.pth holds values that are no numbers \(NaN\) in conv1\.0\.weight"):
        load_backbone("resnet10t", str(tmp_path / "w.pth"), device="cpu")


def test_the_network_that_is_read_of_several_in_a_checkpoint_is_said(tmp_path):
    state = load_backbone("resnet10t", "random", device="cpu").network.model.state_dict()
    averaged = {name: value * 2 for name, value in state.items()}
    torch.save({"state_dict_ema": averaged, "state_dict": state}, tmp_path / "w.pth")
    torch.save(state, tmp_path / "one.pth")
    both, one = (load_backbone("resnet10t", str(tmp_path / name), device="cpu") for name in ("w.pth", "one.pth"))
    assert both.weights_hash == one.weights_hash
    assert "state_dict and state_dict_ema, and state_dict was read" in both.notes[-1]
    assert not one.notes


def test_a_file_that_does_not_fit_is_refused_with_the_first_differences(tmp_path):
    save_file({"conv1.weight": torch.zeros(1), "mine": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError) as caught:
        load_backbone("resnet18", str(tmp_path / "w.safetensors"), device="cpu")
    assert re.search(
        r"lacks bn1\.weight.* more; has the unexpected mine; differs in shape: conv1\.weight", str(caught.value)
    )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("resnet5", {}, "did you mean 'resnet5"),
        ("nowhere:resnet18", {}, "no backbone library named 'nowhere'"),
        ("resnet18", {"weights": "missing.pth"}, "there is no weights file missing.pth"),
        ("resnet18", {"weights": "random", "arguments": {"flavour": 3}}, "flavour"),
        ("tiny", {"weights": "random"}, "fixed random filters"),
        ("tiny", {"device": "abacus"}, "choose auto, cpu"),
        ("tiny", {"precision": "float16"}, "needs a CUDA device"),
        ("tiny", {"arguments": {"interpolation": "cubic"}}, "did you mean 'bicubic'"),
        ("tiny", {"arguments": {"std": 0}}, "must be above 0"),
    ],
)
def test_what_cannot_be_loaded_is_explained_in_one_sentence(name, settings, sentence):
    with pytest.raises(InputError) as caught:
        load_backbone(name, **({"device": "cpu"} | settings))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "file"), [("resnet18", "model.safetensors"), ("torchvision:resnet18", "resnet18-f37072fd.pth")]
)
def test_without_network_the_missing_file_is_named(name, file, offline):
    with pytest.raises(InputError, match=rf"{file}.*--weights FILE"):
        load_backbone(name, device="cpu")


def test_without_network_the_default_is_tiny_and_says_so(offline):
    said = []
    backbone = load_default_backbone(Listener(said), device="cpu")
    assert backbone.name == "tiny"
    assert "'tiny'" in said[0]


class Listener:
    def __init__(self, said):
        self.say = said.append


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr("gapscope.backbones.hub.is_reachable", lambda address: False)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: None)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))


def test_another_image_size_reaches_networks_that_are_built_for_one():
    backbone = backbone_named("vit_tiny_patch16_224", image_size=112)
    assert backbone.preprocessing.size == (112, 112)
    assert backbone.preprocessing.resize == (124, 124)


def test_arguments_are_read_however_they_are_separated():
    expected = {"pad_type": "same", "mean": (0.5, 0.4, 0.3), "crop_pct": 0.9, "fast": True}
    assert parse_backbone_args(("pad_type=same", "mean=0.5,0.4,0.3", "crop_pct=0.9", "fast=true")) == expected
    assert parse_backbone_args(("pad_type=same,mean=0.5,0.4,0.3,crop_pct=0.9,fast=true",)) == expected
    assert parse_backbone_args(("pad_type=same mean=0.5 0.4 0.3 crop_pct=0.9 fast=True",)) == expected
    assert parse_backbone_args(()) == {}


@pytest.mark.parametrize("text", ["same", "=3", "mean="])
def test_an_argument_without_name_or_value_is_refused(text):
    with pytest.raises(InputError, match="name=value"):
        parse_backbone_args((text,))


def test_searching_finds_the_same_name_in_both_libraries():
    found = {one["name"]: one for one in search_backbones("*resnet18")}
    assert {"resnet18", "torchvision:resnet18"} <= set(found)
    assert found["torchvision:resnet18"]["input_size"] == 224


def test_every_library_answers():
    listed = {name: library for library in BACKBONES.values() for name in library.names("*")[:1]}
    assert len(listed) >= 3
    for name, library in listed.items():
        assert library.is_known(name)
        assert set(library.describe(name)) == {"pretrained", "input_size"}


def test_a_crop_larger_than_the_resized_image_is_refused():
    with pytest.raises(InputError, match="holds no crop"):
        Preprocessing((224, 224), (200, 200))


@pytest.mark.parametrize(
    "name",
    [
        "torchvision:resnet18",
        "resnet18",
        "torchvision:mobilenet_v2",
        "resnet10t",
        "mobilenetv2_050",
        "tf_mobilenetv3_small_075",
    ],
)
def test_folding_batch_norms_changes_nothing_but_rounding(name, rng):
    from gapscope.backbones.folding import folded

    model = load_backbone(name, "random", image_size=64, device="cpu").network.model
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # statistics that are not those of a fresh model
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    short = folded(model, torch.device("cpu"))
    assert short is not model
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in short.modules())
    pixels = torch.from_numpy(rng.standard_normal((2, 3, 64, 64)).astype(np.float32))
    with torch.inference_mode():
        expected, found = model(pixels), short(pixels)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_a_convolution_that_changes_its_weights_while_it_computes_is_not_folded(rng):
    from gapscope.backbones.folding import folded

    class Standardised(torch.nn.Conv2d):
        def forward(self, x):
            return torch.nn.functional.conv2d(x, self.weight / self.weight.std(), self.bias, padding=1)

    layers = [Standardised(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Conv2d(4, 4, 1), torch.nn.BatchNorm2d(4)]
    for norm in layers[1::2]:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    model = torch.nn.Sequential(*layers).eval()
    short = folded(model, torch.device("cpu"))
    assert [type(one).__name__ for one in short] == ["Standardised", "BatchNorm2d", "Conv2d", "Sequential"]
    pixels = torch.from_numpy(rng.standard_normal((2, 3, 9, 9)).astype(np.float32))
    with torch.inference_mode():
        torch.testing.assert_close(short(pixels), model(pixels))

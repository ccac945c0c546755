"""Grad-CAM is the map that its paper defines, finds the last map of any network, and leaves the network as it was."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import VisionTransformer

from gapscope.cnn.saliency import grad_cam, last_layer, last_map
from gapscope.core.errors import InputError
from gapscope.networks.design import Design
from gapscope.networks.frame import Frame

SIZE = 64


@pytest.fixture
def x():
    return torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def pooled_network(size=8, classes=4):
    """Convolution, rectification, the mean of each map, a linear head: what class activation maps were defined for."""
    torch.manual_seed(1)
    maps = nn.Sequential(nn.Conv2d(3, size, 5, stride=4, padding=2), nn.ReLU())
    return nn.Sequential(maps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(size, classes))


def built(name, **options):
    size = options.pop("size", SIZE)
    return Design(name, Frame(size, size, 3), 5).build(0)


def test_of_pooled_maps_and_a_linear_head_it_is_the_class_activation_map(x):
    model, classes = pooled_network(), np.array([0, 3, 1])
    with torch.no_grad():
        maps = model[0](x)
        weighted = torch.einsum("nk,nkhw->nhw", model[3].weight[classes], maps).relu()
    wanted = nn.functional.interpolate(weighted[:, None], (SIZE, SIZE), mode="bilinear")[:, 0].numpy()
    wanted /= wanted.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(grad_cam(model, x, classes), wanted, atol=1e-5)


def test_of_any_head_the_weights_are_mean_gradients_by_finite_differences(x):
    torch.manual_seed(2)
    body = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.Tanh())
    head = nn.Sequential(nn.Flatten(), nn.Linear(256, 6), nn.Tanh(), nn.Linear(6, 3))
    model = nn.Sequential(body, head).double()
    image, step = x[:1].double(), 1e-5
    with torch.no_grad():
        maps = body(image)
        weights = []
        for channel in range(4):
            moved = maps.clone()
            moved[:, channel] += step
            weights.append(float((head(moved) - head(maps))[0, 2]) / step / 64)
        wanted = sum(weight * maps[0, channel] for channel, weight in enumerate(weights)).relu()
    found = grad_cam(model, image, np.array([2]))[0]
    centres = found[3::8, 3::8] + found[4::8, 3::8] + found[3::8, 4::8] + found[4::8, 4::8]
    assert np.corrcoef(centres.ravel(), wanted.numpy().ravel())[0, 1] > 0.98


def test_the_map_moves_with_the_object():
    model = pooled_network()
    images = torch.zeros(2, 3, SIZE, SIZE)
    images[0, :, 8:20, 8:20] = 2
    images[1, :, 40:52, 24:36] = 2
    with torch.no_grad():
        classes = np.full(2, int((model(images) - model(images * 0))[0].argmax()))
    found = grad_cam(model, images, classes)
    np.testing.assert_allclose(np.roll(found[0], (32, 16), (0, 1)), found[1], atol=1e-5)


def test_values_go_from_nothing_to_one_and_nothing_stays_nothing(x):
    model = pooled_network()
    found = grad_cam(model, x, np.array([0, 1, 2]))
    assert found.dtype == np.float32
    assert found.shape == (3, SIZE, SIZE)
    assert found.min() >= 0
    assert found.max() == 1
    nn.init.zeros_(model[3].weight)
    assert not grad_cam(model, x, np.array([0, 1, 2])).any()


def test_an_image_has_the_same_map_alone_and_among_others(x):
    many = torch.cat([x] * 12)[:34]
    model, classes = built("resnet18").eval(), np.arange(34) % 5
    found = grad_cam(model, many, classes)
    for row in (0, 33):
        np.testing.assert_allclose(
            grad_cam(model, many[row : row + 1], classes[row : row + 1])[0], found[row], atol=1e-4
        )


LAYERS = {
    "simple-cnn": "4",
    "resnet-small": "7",
    "resnet18": "layer4",
    "mobilenetv2_100": "bn2",
    "test_convnext": "norm_pre",
    "torchvision:vgg11": "features.19",
    "torchvision:densenet121": "features",
    "torchvision:shufflenet_v2_x0_5": "conv5",
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_last_map_is_found_whatever_the_network(name, x):
    model = built(name).eval()
    assert dict(model.named_modules())[LAYERS[name]] is last_map(model, x[:1])
    found = grad_cam(model, x, np.array([0, 1, 2]))
    assert np.isfinite(found).all()
    assert found.shape == (3, SIZE, SIZE)


def test_maps_of_one_pixel_are_passed_over(x):
    model = built("resnet18").eval()
    small = x[:1, :, :24, :24]
    assert last_map(model, small) is not model.layer4[1]
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 22), nn.Flatten(), nn.Linear(4, 2))
    assert last_map(model, small) is model[1]


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "test_mlp"])
def test_a_network_without_maps_or_a_grid_of_tokens_is_refused_in_a_sentence(name):
    if name == "test_mlp":
        model, image = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)), torch.zeros(1, 3, 8, 8)
    else:
        model, image = built(name, size=224), torch.zeros(1, 3, 224, 224)
    with pytest.raises(InputError, match="neither a map of the image nor tokens"):
        grad_cam(model, image, np.array([0]))
    assert not any(module._forward_hooks for module in model.modules())


class Tokens(nn.Module):
    """Patches as tokens behind a class token, one attention, and a head on the class token or on the mean of all."""

    def __init__(self, pooled):
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, 8, 8, stride=8), nn.LayerNorm(8)
        self.first = nn.Parameter(torch.randn(1, 1, 8))
        self.attention = nn.MultiheadAttention(8, 1, batch_first=True)
        self.last, self.head, self.pooled = nn.LayerNorm(8), nn.Linear(8, 4), pooled

    def forward(self, x):
        tokens = torch.cat([self.first.expand(len(x), 1, 8), self.patches(x).flatten(2).transpose(1, 2)], dim=1)
        seen = self.norm(tokens)
        tokens = self.last(tokens + self.attention(seen, seen, seen, need_weights=False)[0])
        return self.head(tokens.mean(dim=1) if self.pooled else tokens[:, 0])


@pytest.mark.parametrize("pooled", [False, True])
def test_tokens_are_folded_to_the_grid_of_their_patches(pooled, rng):
    """Where the class token alone is classified, those are taken that the attention reads."""
    torch.manual_seed(0)
    model = Tokens(pooled=pooled).eval()
    image = torch.zeros(1, 3, 32, 48)
    layer = last_layer(model, image)
    assert layer.grid == (4, 6)
    assert layer.module is (model.last if pooled else model.norm)
    tokens = torch.arange(25 * 8, dtype=torch.float32).reshape(1, 25, 8)
    assert torch.equal(layer.folded(tokens)[0, :, 1, 2], tokens[0, 1 + 6 + 2])
    found = grad_cam(model, torch.from_numpy(rng.normal(size=(2, 3, 32, 48)).astype(np.float32)), np.array([0, 1]))
    assert found.shape == (2, 32, 48)
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_transformers_show_where_they_look(library):
    torch.manual_seed(0)
    model = (
        built("test_vit", size=160) if library == "timm" else VisionTransformer(160, 32, 2, 2, 16, 32, num_classes=5)
    )
    image = torch.randn(1, 3, 160, 160)
    head = list(model.modules())[-1]
    nn.init.zeros_(head.weight)
    assert grad_cam(model, image, np.array([1])).max() == 0
    nn.init.normal_(head.weight)
    assert grad_cam(model, image, np.array([1])).max() == 1


def test_a_class_that_the_network_does_not_have_is_refused(x):
    with pytest.raises(InputError, match="classes -1 to 2 are asked for, and the network has 0 to 3"):
        grad_cam(pooled_network(), x, np.array([0, -1, 2]))


def test_no_images_have_no_maps(x):
    assert grad_cam(pooled_network(), x[:0], np.array([], np.int64)).shape == (0, SIZE, SIZE)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_network_is_left_as_it_was(x, frozen):
    model = built("resnet-small").train()
    model[1].eval()
    for parameter in model.parameters():
        parameter.requires_grad_(not frozen)
        parameter.grad = torch.ones_like(parameter)
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    grad_cam(model, x, np.array([0, 1, 2]))
    assert torch.is_grad_enabled()
    assert not x.requires_grad
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.requires_grad != frozen for parameter in model.parameters())
    assert all(bool((parameter.grad == 1).all()) for parameter in model.parameters())


def test_it_also_works_where_gradients_are_off(x):
    model = pooled_network()
    wanted = grad_cam(model, x, np.array([0, 1, 2]))
    with torch.no_grad():
        np.testing.assert_array_equal(grad_cam(model, x, np.array([0, 1, 2])), wanted)
        assert not torch.is_grad_enabled()

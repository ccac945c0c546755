"""Any classification model of torchvision, with the input of its default weights."""

from fnmatch import fnmatch
from functools import cache
from typing import Any

import torch
import torchvision
from torch import nn

from gapscope.backbones.body import without
from gapscope.backbones.folding import folded
from gapscope.backbones.hub import url_file
from gapscope.backbones.network import Network, Unpooled
from gapscope.backbones.preprocessing import Preprocessing
from gapscope.backbones.reader import Hooked
from gapscope.backbones.request import RANDOM, Library, Request
from gapscope.backbones.weights import State, load_weights, read_weights, unread_weights
from gapscope.core.errors import InputError

# These two start from a truncated normal that takes half a minute to draw, and warn about it, unless told.
SLOW_START = ("googlenet", "inception_v3")
AUXILIARY = ("aux1.", "AuxLogits.")
# The module that gives a model's last tokens or maps; the first that it has.
LAST = ("encoder.ln", "permute", "features", "layer4", "trunk_output", "blocks", "Mixed_7c", "inception5b", "conv5")


def names(pattern: str) -> list[str]:
    """Names that match a shell-style `pattern`."""
    return [name for name in torchvision.models.list_models(module=torchvision.models) if fnmatch(name, pattern)]


def describe(name: str) -> dict[str, Any]:
    """Whether weights exist for `name`, and the height of its input."""
    return {"pretrained": True, "input_size": _preset(name).crop_size[0]}


def is_known(name: str) -> bool:
    """Whether torchvision has a classification model of this name."""
    return bool(names(name))


def load(request: Request) -> Network:
    """The model a `request` names, in evaluation mode on its device."""
    model, weights = _load(request)
    model = model.to(request.device, memory_format=torch.channels_last).eval()
    name = _last_linear(model)
    layer = f"input of {name}" if name else "pooled features"
    return Network(
        model=model,
        features=folded(without(model, name), request.device) if name else lambda x: _pooled(model, x),
        classifier=model.get_submodule(name) if name else None,
        preprocessing=_preprocessing(request),
        weights=weights,
        layer=layer,
        unpooled=_unpooled(model),
        pooling="token" if _has_tokens(model) else "avg",
        prefix_tokens=1 if _has_tokens(model) else None,
        notes=tuple(unread_weights(request.weights)),
    )


def _has_tokens(model: nn.Module) -> bool:
    return isinstance(model, torchvision.models.VisionTransformer)


def _unpooled(model: nn.Module) -> Unpooled | None:
    modules = dict(model.named_modules())
    name = next((name for name in LAST if name in modules), "")
    if not name:
        return None
    hooked = cache(lambda: Hooked(model, [name]))  # only where it is wanted: a model with hooks cannot be folded
    return Unpooled(lambda x: hooked()(x)[1][name], name)


def _load(request: Request) -> tuple[nn.Module, str]:
    if request.weights == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(request.seed)
            return _create(request), f"random, seed {request.seed}"
    if request.weights:
        path, origin = request.weights, request.weights
    else:
        default = torchvision.models.get_model_weights(request.name).DEFAULT
        path, origin = url_file(f"torchvision:{request.name}", default.url), f"pretrained, {default}"
    state = read_weights(path)
    model = _create(request, **_settings(request.name, state))
    load_weights(model, state, path, f"torchvision:{request.name}")
    return model, origin


def _create(request: Request, **settings: Any) -> nn.Module:
    if request.name in SLOW_START:
        settings = {"init_weights": False, "aux_logits": False} | settings
    try:
        return torchvision.models.get_model(request.name, weights=None, **(settings | dict(request.constructor)))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"torchvision cannot make {request.name!r} with {dict(request.constructor)}: {error}"
        ) from error


def _settings(name: str, state: State) -> dict[str, Any]:
    """What a checkpoint says about itself: its classes, its auxiliary classifiers."""
    linear = [tensor for key, tensor in state.items() if key.endswith("weight") and tensor.ndim == 2]
    settings: dict[str, Any] = {"num_classes": len(linear[-1])} if linear else {}
    if name in SLOW_START:
        settings |= {"aux_logits": any(key.startswith(AUXILIARY) for key in state), "transform_input": True}
    return settings


def _last_linear(model: nn.Module) -> str:
    result = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return result[-1] if result else ""


def _pooled(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    # SqueezeNet ends in a convolution per class, before the pooling: what is pooled here is that convolution's input.
    return model.features(x).mean(dim=(2, 3))


def _preset(name: str) -> Any:
    return torchvision.models.get_model_weights(name).DEFAULT.transforms()


def _preprocessing(request: Request) -> Preprocessing:
    preset, options = _preset(request.name), dict(request.options)
    size = options.pop("input_size", (preset.crop_size[0],) * 2)
    share = options.pop("crop_pct", preset.crop_size[0] / preset.resize_size[0])
    own = size == (preset.crop_size[0],) * 2 and "crop_pct" not in request.options
    resize = (preset.resize_size[0],) * 2 if own else tuple(int(length / share) for length in size)
    values = {
        "mean": tuple(preset.mean),
        "std": tuple(preset.std),
        "interpolation": preset.interpolation.value,
    } | options
    return Preprocessing(size=size, resize=resize, **values)


LIBRARY = Library(load, names, describe, is_known)

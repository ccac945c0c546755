"""Vision models of the library transformers, from a folder or a repository: ``transformers:FOLDER``.

No code of a folder is run, and its weights are read as safetensors or without running code.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gapscope.backbones.body import without
from gapscope.backbones.hub import quietly
from gapscope.backbones.network import Network, Unpooled
from gapscope.backbones.preprocessing import Preprocessing
from gapscope.backbones.processor import preprocessing_of
from gapscope.backbones.reader import pooled
from gapscope.backbones.request import RANDOM, Library, Request
from gapscope.core.errors import InputError
from gapscope.core.extras import require

PROCESSOR = "preprocessor_config.json"
TOWERS = {"clip": "CLIPVisionModelWithProjection", "siglip": "SiglipVisionModel", "siglip2": "Siglip2VisionModel"}
CLASSIFIER = "ForImageClassification"


def load(request: Request) -> Network:
    """The model a `request` names, in evaluation mode on its device."""
    with quietly():
        model, config = _loaded(request)
    model = model.to(request.device).eval()
    classifier = _classifier(model)
    trunk = model.base_model if classifier else model
    projection = isinstance(getattr(model, "visual_projection", None), nn.Linear)
    prefix = _prefix(model, config)
    pooling, features = _own(model, trunk, classifier, prefix)
    name = "visual_projection" if projection else classifier
    whole = _Output(model, "image_embeds" if projection else "logits" if classifier else "")
    return Network(
        model=whole,
        features=features,
        classifier=model.get_submodule(name) if name else None,
        preprocessing=_preprocessing(request, config),
        weights=f"random, seed {request.seed}" if request.weights == RANDOM else f"pretrained, {request.name}",
        layer=f"input of {name}" if name else "last_hidden_state" if pooling else "pooler_output",
        class_names=_class_names(config) if classifier else (),
        unpooled=Unpooled(lambda x: trunk(pixel_values=x).last_hidden_state, "last_hidden_state", _after(trunk)),
        pooling=pooling,
        norm=_norm(trunk),
        prefix_tokens=prefix,
        contrastive=projection or config.model_type.startswith("siglip"),
    )


class _Output(nn.Module):
    """One output of a model of transformers, called as other networks are."""

    def __init__(self, model: nn.Module, name: str):
        super().__init__()
        self.model, self.name = model, name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The output for normalised pixels ``(n, 3, h, w)``."""
        output = self.model(pixel_values=x)
        return output[self.name] if self.name else output.last_hidden_state


def _loaded(request: Request) -> tuple[nn.Module, Any]:
    require("a model of transformers", "transformers")
    import transformers

    place = request.name
    if request.constructor:
        raise InputError(
            f"transformers:{place} takes no argument {next(iter(request.constructor))!r}; only those of the input"
        )
    try:
        config = transformers.AutoConfig.from_pretrained(place, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0][:160]
        raise InputError(f"{place} is no model that transformers knows: {reason}; give its folder") from error
    kind = _kind(transformers, config)
    config = _of_images(config)
    if request.weights == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(request.seed)
            return kind(config), config
    if request.weights:
        raise InputError(f"transformers:{place} has weights of its own; leave out --weights")
    return _pretrained(kind, place, config), config


def _of_images(config: Any) -> Any:
    """The configuration of the image tower, which projects to as many numbers as the whole model says."""
    tower = getattr(config, "vision_config", config)
    if tower is not config and hasattr(config, "projection_dim"):
        tower.projection_dim = config.projection_dim
    return tower


def _kind(transformers: Any, config: Any) -> Any:
    """The class of the model: a classifier where the folder holds one, the image tower of two, else the encoder."""
    if config.model_type in TOWERS:
        return getattr(transformers, TOWERS[config.model_type])
    names = [name for name in config.architectures or () if name.endswith(CLASSIFIER) and hasattr(transformers, name)]
    mapping = transformers.AutoModelForImageClassification if names else transformers.AutoModel
    return getattr(transformers, names[0]) if names else mapping._model_mapping[type(config)]


def _pretrained(kind: Any, place: str, config: Any) -> nn.Module:
    try:
        model, info = kind.from_pretrained(place, config=config, output_loading_info=True)
        missing = [name for name in info["missing_keys"] if not name.endswith("position_ids")]
        if missing and all("pooler" in name for name in missing):  # weights without a pooling layer: it would be random
            model, info = kind.from_pretrained(place, config=config, add_pooling_layer=False, output_loading_info=True)
            missing = list(info["missing_keys"])
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise InputError(f"{place} cannot be loaded by transformers: {str(error).splitlines()[0][:160]}") from error
    if missing:
        raise InputError(f"the weights in {place} lack {', '.join(sorted(missing)[:3])}, which would be random numbers")
    return model


def _classifier(model: nn.Module) -> str:
    """The last linear layer of a classifier; empty for an encoder."""
    if CLASSIFIER not in type(model).__name__:
        return ""
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    own = [name for name in linear if not name.startswith(f"{model.base_model_prefix}.")]
    return own[-1] if own else ""


def _own(model: nn.Module, trunk: nn.Module, classifier: str, prefix: int | None) -> tuple[str, Any]:
    """The pooling that the model uses, and its features."""
    if classifier:
        body = without(model, classifier)
        return _known_pool(model, prefix), lambda x: body(pixel_values=x).logits
    if getattr(trunk, "pooler", True) is None:
        pool = "token" if prefix else "avg"
        return pool, lambda x: pooled(trunk(pixel_values=x).last_hidden_state, pool, prefix or 0)
    return "", lambda x: _pooler(trunk, x)


def _pooler(trunk: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The vector before a projection: ``pooler_output``, which two towers with a projection keep inside."""
    inner = getattr(trunk, "vision_model", trunk)
    output = inner(pixel_values=x)
    vector = getattr(output, "pooler_output", None)
    if vector is None:
        raise InputError(f"{type(trunk).__name__} gives no pooled vector; choose --pool token, avg or max")
    return vector.flatten(1)


def _known_pool(model: nn.Module, prefix: int | None) -> str:
    return "token" if prefix and type(model).__name__.startswith(("ViT", "DeiT", "ViTMSN")) else ""


def _prefix(model: nn.Module, config: Any) -> int | None:
    """Tokens before the patches; None where the model has maps, or a grid of windows."""
    size, patch = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    if not isinstance(size, int) or not isinstance(patch, int) or getattr(config, "depths", None):
        return None
    named = dict(model.named_parameters())
    tokens = [name for name in named if name.endswith(("cls_token", "distillation_token", "class_embedding"))]
    registers = [tensor.shape[-2] for name, tensor in named.items() if name.endswith("register_tokens")]
    return len(tokens) + sum(registers)


def _norm(trunk: nn.Module) -> str:
    names = ("post_layernorm", "layernorm", "norm", "layer_norm")
    modules = dict(trunk.named_modules())
    return next((name for name in modules if name.rpartition(".")[2] in names and name.count(".") <= 1), "")


def _after(trunk: nn.Module) -> Any:
    """The norm that is behind the last tokens and not in them, as that of CLIP is."""
    after = next((m for name, m in trunk.named_modules() if name.endswith("post_layernorm")), None)
    return after if after is not None and "CLIP" in type(trunk).__name__ else lambda x: x


def _class_names(config: Any) -> tuple[str, ...]:
    names = [config.id2label[index] for index in sorted(config.id2label)]
    return () if names == [f"LABEL_{index}" for index in range(len(names))] else tuple(names)


def _preprocessing(request: Request, config: Any) -> Preprocessing:
    path = Path(request.name) / PROCESSOR
    if not path.is_file() and not Path(request.name).is_dir():
        from gapscope.backbones.hub import hub_file

        path = Path(hub_file(request.name, request.name, (PROCESSOR,)))
    try:
        content = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({error})") from error
    return preprocessing_of(content, request.options, getattr(config, "image_size", 224), str(path))


LIBRARY = Library(load, lambda pattern: [], lambda name: {"pretrained": True, "input_size": None}, lambda name: False)

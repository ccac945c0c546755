"""Any model of timm, with the input of its own pretrained configuration."""

import sys
from collections.abc import Callable
from typing import Any

import timm
import torch
from timm.data import resolve_data_config
from timm.models import get_pretrained_cfg

from gapscope.backbones.folding import folded
from gapscope.backbones.hub import HUB_FILES, hub_file, quietly, url_file
from gapscope.backbones.network import Network, Unpooled
from gapscope.backbones.preprocessing import with_crop_pct
from gapscope.backbones.reader import activation_of
from gapscope.backbones.request import RANDOM, Library, Request
from gapscope.backbones.timm_place import described, is_place
from gapscope.backbones.weights import State, load_weights, mismatch, read_weights, unread_weights
from gapscope.core.errors import InputError

# Families whose authors take another vector than timm does, and which.
OF_AUTHORS = {"_dinov3": "token"}
# Families that learnt from images and texts together, unless what is behind the dot says that classes came after.
CONTRASTIVE = ("_clip_", "_clip.", "siglip", "_pe_core_", "mobileclip", "tinyclip", "_xxclip")
TUNED = ("_ft_", "in1k", "in12k")


def names(pattern: str) -> list[str]:
    """Names that match a shell-style `pattern`, pretrained variants as ``model.variant``."""
    return sorted({*timm.list_models(pattern), *timm.list_pretrained(pattern)})


def describe(name: str) -> dict[str, Any]:
    """Whether weights exist for `name`, and the height of its input."""
    config = get_pretrained_cfg(name)
    return {"pretrained": bool(config and config.has_weights), "input_size": config.input_size[-1] if config else None}


def is_known(name: str) -> bool:
    """Whether timm has a model of this name, with or without a variant."""
    return timm.is_model(name) or is_place(name)


def load(request: Request) -> Network:
    """The model a `request` names, in evaluation mode on its device."""
    class_names, origin = (), ""
    if is_place(request.name):
        origin = "" if request.weights else f"pretrained, {request.name}"
        request, class_names = described(request)
    with quietly():
        model, weights = _load(request)
    model = model.to(request.device, memory_format=torch.channels_last).eval()
    body = folded(PreLogits(model), request.device)
    return Network(
        model=model,
        features=lambda x: _vector(body(x)),
        classifier=_classifier(model),
        preprocessing=_preprocessing(model, request),
        weights=origin or weights,
        layer="forward_head(pre_logits=True)",
        class_names=class_names,
        unpooled=Unpooled(model.forward_features, "forward_features", _finish(model)[0]),
        pooling=_pooling(model),
        norm=_finish(model)[1],
        prefix_tokens=getattr(model, "num_prefix_tokens", None),
        channels_last=getattr(model, "output_fmt", "NCHW") == "NHWC",
        contrastive=_is_contrastive(request.name, model),
        notes=(*_notes(request.name, model), *unread_weights(request.weights)),
    )


def _pooling(model: torch.nn.Module) -> str:
    for holder in (model, getattr(model, "head", None)):
        pool = getattr(holder, "global_pool", None)
        pool = getattr(pool, "pool_type", pool)
        if isinstance(pool, str):
            return pool
    return ""


def _finish(model: torch.nn.Module) -> tuple[Callable[[torch.Tensor], torch.Tensor], str]:
    """What a model does with pooled tokens or maps before its classifier, and the norm behind its vectors."""
    norm, after = getattr(model, "norm", None), getattr(model, "fc_norm", None)
    if isinstance(after, torch.nn.Module) and not isinstance(after, torch.nn.Identity):
        return after, "fc_norm"
    of_head = getattr(getattr(model, "head", None), "norm", None)
    if isinstance(of_head, torch.nn.Module) and not isinstance(of_head, torch.nn.Identity):
        return lambda x: of_head(x[:, :, None, None]).flatten(1), "head.norm"
    named = isinstance(norm, torch.nn.Module) and not isinstance(norm, torch.nn.Identity)
    return lambda x: x, "norm" if named else ""


def _is_contrastive(name: str, model: torch.nn.Module) -> bool:
    tag = str((getattr(model, "pretrained_cfg", None) or {}).get("tag") or "")
    return any(part in f"{name}." for part in CONTRASTIVE) and not any(part in f"{name}.{tag}" for part in TUNED)


def _notes(name: str, model: torch.nn.Module) -> list[str]:
    """Where timm gives another vector than the authors of the weights, and how theirs is had."""
    notes = []
    for part, pool in OF_AUTHORS.items():
        if part in name and getattr(model, "num_prefix_tokens", 0) and _pooling(model) not in ("", pool):
            notes.append(
                f"timm pools the patches of {name} ({_pooling(model)}), its authors take the class token; --pool "
                f"{pool} gives theirs"
            )
    architecture, _, tag = name.partition(".")
    tag = tag or str((getattr(model, "pretrained_cfg", None) or {}).get("tag") or "")
    twin = architecture.replace("_clip_", "_clip_quickgelu_")
    if activation_of(model) == "gelu" and twin != architecture and f"{twin}.{tag}" in timm.list_pretrained(f"{twin}.*"):
        notes.append(
            f"the weights of {architecture}.{tag} were trained with quick GELU and timm computes GELU under this name; "
            f"--backbone {twin}.{tag} gives the features of its authors"
        )
    return notes


def _load(request: Request) -> tuple[torch.nn.Module, str]:
    if request.weights == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(request.seed)
            return _create(request), f"random, seed {request.seed}"
    if request.weights:
        state = read_weights(request.weights)
        model = _create(request, **_classes(request, state))
        load_weights(model, _converted(model, state), request.weights, request.name)
        return model, request.weights
    return _pretrained(request)


def _create(request: Request, **settings: Any) -> torch.nn.Module:
    try:
        return timm.create_model(request.name, **(_sizes(request) | settings | dict(request.constructor)))
    except (TypeError, ValueError, AssertionError, RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"timm cannot make {request.name!r} with {dict(request.constructor)}: {reason}") from error


def _sizes(request: Request) -> dict[str, Any]:
    """Models that are built for one size are told when it is to be another."""
    config, size = get_pretrained_cfg(request.name), request.options.get("input_size")
    fixed = config is not None and config.fixed_input_size and size and tuple(config.input_size[1:]) != tuple(size)
    return {"img_size": tuple(size)} if fixed else {}


def _pretrained(request: Request) -> tuple[torch.nn.Module, str]:
    config = get_pretrained_cfg(request.name)
    if config is None or not config.has_weights:
        raise InputError(f"timm has no pretrained weights for {request.name!r}; use --weights FILE or --weights random")
    if config.hf_hub_id:
        files = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
        path, origin = hub_file(request.name, config.hf_hub_id, files), config.hf_hub_id
    else:
        path, origin = url_file(request.name, config.url), config.url
    return _create(request, pretrained=True, pretrained_cfg_overlay={"file": path}), f"pretrained, {origin}"


def _classes(request: Request, state: State) -> dict[str, int]:
    """A checkpoint says itself how many classes it knows."""
    config = get_pretrained_cfg(request.name)
    name = config.classifier if config is not None and isinstance(config.classifier, str) else None
    weight = state.get(f"{name}.weight")
    return {} if weight is None else {"num_classes": len(weight)}


def _converted(model: torch.nn.Module, state: State) -> State:
    """Checkpoints in their authors' layout, or for another image size, pass through the family's own conversion."""
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is None or not mismatch(model, state):
        return state
    try:
        return convert(dict(state), model)
    except (TypeError, KeyError, ValueError, RuntimeError, AttributeError, AssertionError):
        return state  # not a layout that the family knows: the mismatch is reported as it is


def _preprocessing(model: torch.nn.Module, request: Request):
    config = resolve_data_config(pretrained_cfg=model.pretrained_cfg)
    options = {name: config[name] for name in ("mean", "std", "crop_pct", "crop_mode", "interpolation")}
    options = options | {"input_size": tuple(config["input_size"][1:])} | dict(request.options)
    size, crop_pct = options.pop("input_size"), options.pop("crop_pct")
    return with_crop_pct(size, crop_pct, **{name: _plain(value) for name, value in options.items()})


def _plain(value: Any) -> Any:
    return tuple(float(v) for v in value) if isinstance(value, (tuple, list)) else value


class PreLogits(torch.nn.Module):
    """A model up to what its classifier sees."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features of normalised pixels ``(n, 3, h, w)``."""
        return self.model.forward_head(self.model.forward_features(x), pre_logits=True)


def _vector(features: torch.Tensor) -> torch.Tensor:
    """Features ``(n, d)``; those of models that end in a 1 × 1 map come as ``(n, d, 1, 1)``."""
    return features.flatten(1) if features.shape[2:].numel() == 1 else features


def _classifier(model: torch.nn.Module) -> torch.nn.Module | None:
    classifier = model.get_classifier()
    return classifier if isinstance(classifier, (torch.nn.Linear, torch.nn.Conv2d)) else None


LIBRARY = Library(load, names, describe, is_known)

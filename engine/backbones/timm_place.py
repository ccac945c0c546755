"""Models of timm that a folder or a repository describes: ``local-dir:FOLDER``, ``hf-hub:OWNER/NAME@REVISION``."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gapscope.backbones.hub import HUB_FILES, hub_file
from gapscope.backbones.request import RANDOM, Request
from gapscope.core.errors import InputError

CONFIG = "config.json"
# What timm writes beside the configuration of a model for older versions of itself.
OF_CONFIG = ("architecture", "num_features", "labels", "label_names", "model_args")


class Place(NamedTuple):
    """A model that a place describes: the request for its architecture with its weights, and what it tells apart."""

    request: Request
    class_names: tuple[str, ...]


def is_place(name: str) -> bool:
    """Whether a model is named by where it is described."""
    return name.startswith(("hf-hub:", "local-dir:"))


def described(request: Request) -> Place:
    """What the configuration at a place says, as a request for a model that timm knows by name.

    Raises
    ------
    InputError
        There is no configuration, it names no architecture, or there are no weights.
    """
    config_file = _file(request.name, (CONFIG,))
    config = _read(request.name, config_file)
    pretrained = config.get("pretrained_cfg") or {name: config[name] for name in config if name not in OF_CONFIG}
    weights = request.weights or _file(request.name, HUB_FILES)
    constructor = dict(config.get("model_args") or {}) | dict(request.constructor)
    classes = config.get("num_classes", pretrained.get("num_classes"))
    if request.weights == RANDOM and classes is not None:
        constructor = {"num_classes": classes} | constructor
    constructor = {"pretrained_cfg": _plain(pretrained)} | constructor
    names = config.get("label_names") or pretrained.get("label_names") or ()
    return Place(replace(request, name=config["architecture"], weights=weights, constructor=constructor), tuple(names))


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}


def _file(name: str, files: tuple[str, ...]) -> str:
    """The first of `files` at a place."""
    kind, _, place = name.partition(":")
    if kind == "hf-hub":
        repository, _, revision = place.partition("@")
        return hub_file(name, repository, files, revision or None)
    found = [Path(place) / file for file in files if (Path(place) / file).is_file()]
    if not found:
        raise InputError(f"{place} has no {' or '.join(files)}, which {name!r} needs; give the folder of a timm model")
    return str(found[0])


def _read(name: str, file: str) -> dict[str, Any]:
    try:
        config = json.loads(Path(file).read_bytes())
    except ValueError as error:
        raise InputError(f"{file} is no JSON ({error}); {name!r} needs the config.json that timm writes") from error
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise InputError(f"{file} names no architecture of timm; {name!r} needs the config.json that timm writes")
    return config

"""Networks that turn images into embeddings, by name."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapscope.backbones.arguments import parse_backbone_args, split_arguments
from gapscope.backbones.preprocessing import Preprocessing
from gapscope.backbones.tensor import Wanted, split_name
from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_json
from gapscope.core.program import called, version_of
from gapscope.core.progress import SILENT, Progress
from gapscope.core.registry import Registry
from gapscope.networks.runs import PREFIX

if TYPE_CHECKING:
    from gapscope.backbones.backbone import Backbone
    from gapscope.backbones.network import Network
    from gapscope.backbones.request import Request

__all__ = [
    "BACKBONES",
    "BackboneChoice",
    "Preprocessing",
    "load_backbone",
    "load_default_backbone",
    "parse_backbone_args",
    "search_backbones",
]

BACKBONES = Registry(
    "backbone library",
    {
        "timm": "gapscope.backbones.timm:LIBRARY",
        "torchvision": "gapscope.backbones.torchvision:LIBRARY",
        "tiny": "gapscope.backbones.tiny:LIBRARY",
        "transformers": "gapscope.backbones.transformers:LIBRARY",
        "onnx": "gapscope.backbones.onnx:LIBRARY",
    },
)
# Libraries whose models are named by where they lie.
BY_PLACE = ("transformers", "onnx")
# Names of timm that begin like those of a library.
TIMM_PLACES = ("hf-hub", "local-dir")

TINY = "tiny"
DEFAULT = "mobilenetv3_large_100.ra_in1k"
# What has a say in the numbers that a network gives, and what else has one in those of a library.
LIBRARIES = ("gapscope", "torch", "timm", "torchvision")
MORE_LIBRARIES = {"transformers": ("transformers",), "onnx": ("onnxruntime",)}


def load_backbone(
    name: str,
    weights: str = "",
    *,
    image_size: int | None = None,
    arguments: Mapping[str, Any] | None = None,
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    tensors: Sequence[str] = (),
) -> "Backbone":
    """The backbone called `name`, ready to compute.

    Parameters
    ----------
    name
        A timm model (``hf-hub:REPOSITORY`` and ``local-dir:FOLDER`` too), ``torchvision:MODEL`` (or a name that only
        torchvision has), ``tiny``, ``transformers:FOLDER``, ``onnx:FILE``, ``module:function`` for a function that
        makes a network, whose code is then executed, or ``run:NAME`` for a network that was trained here. Behind it may
        stand which tensor is meant: ``#POOL``, ``#LAYER`` or ``#LAYER:POOL``.
    weights
        Empty for the library's pretrained ones, ``random`` (decided by `seed`), or a file; of a network that was
        trained here, its ``model.safetensors``.
    image_size
        Height and width of the input in pixels; the model's own when None.
    arguments
        Of the model's constructor, and ``mean, std, crop_pct, crop_mode, interpolation, input_size`` for its input.

    tensors
        Several tensors of one pass, each as it would stand behind ``#``; they are the `parts` of the backbone.

    Raises
    ------
    InputError
        There is no such model, its weights are not to be had, or they do not fit.
    """
    # Here, so that names are known and options parsed without loading torch.
    from gapscope.backbones.backbone import assemble, choose_device, choose_precision
    from gapscope.backbones.request import Request

    base, own = split_name(name)
    wanted = [Wanted.parse(one) for one in tensors] or [own]
    load, model = _loader(base)
    arguments = dict(arguments or {}) | ({"input_size": image_size} if image_size else {})
    constructor, options = split_arguments(arguments)
    place = choose_device(device)
    network = load(Request(model, weights, constructor, options, seed, place))
    return assemble(name, network, arguments, place, choose_precision(precision, place), wanted)


@dataclass(frozen=True)
class BackboneChoice:
    """A backbone to be loaded, a small value that travels to workers; fields as `load_backbone` takes them."""

    name: str
    weights: str = ""
    image_size: int | None = None
    arguments: tuple[tuple[str, Any], ...] = ()
    device: str = "auto"
    precision: str = "auto"
    seed: int = 0
    tensors: tuple[str, ...] = ()

    def load(self) -> "Backbone":
        """The backbone itself."""
        return load_backbone(
            self.name,
            self.weights,
            image_size=self.image_size,
            arguments=dict(self.arguments),
            device=self.device,
            precision=self.precision,
            seed=self.seed,
            tensors=self.tensors,
        )

    def mark(self) -> str:
        """A digest of all that decides which network this is, taken without loading it: the choice, size and time of a
        file of weights, the versions of the libraries, and whether there is a GPU for ``auto`` to find. Empty for a
        function of the user's own, whose code may be another today.
        """
        library, _, place = split_name(self.name)[0].partition(":")
        if names_code(self.name):
            return ""
        there = _stat(self.weights) or _stat(place if library in (*BY_PLACE, *TIMM_PLACES) else "")
        about = {
            "choice": {name: value for name, value in asdict(self).items() if name != "tensors" or value},
            "weights": there and [there.st_size, there.st_mtime_ns],
            "libraries": {name: version_of(name, "") for name in (*LIBRARIES, *MORE_LIBRARIES.get(library, ()))},
            "gpu": Path("/proc/driver/nvidia").exists(),
        }
        return digest_json(about)[:32]


def _stat(place: str) -> os.stat_result | None:
    """Of a file, or of the newest file in a folder of weights; None where there is nothing."""
    path = Path(place)
    if not place or not path.exists():
        return None
    files = [path] if path.is_file() else [one for one in path.iterdir() if one.is_file()]
    return max((one.stat() for one in files), key=lambda one: one.st_mtime_ns, default=None)


def names_code(name: str) -> bool:
    """Whether a backbone's name is ``module:function``, whose code is executed when it is loaded."""
    library, colon, _ = split_name(name)[0].partition(":")
    return bool(colon) and library not in (*BACKBONES, *TIMM_PLACES, PREFIX.removesuffix(":"))


def _loader(name: str) -> "tuple[Callable[[Request], Network], str]":
    """What makes the network called `name` out of a request, and its name there."""
    if name.startswith(PREFIX):
        from gapscope.backbones.run import load  # here, because it loads torch

        return load, name.removeprefix(PREFIX)
    if names_code(name):
        from gapscope.backbones.function import load as load_function

        return load_function, name
    library, model = find_library(name)
    return BACKBONES[library].load, model


def find_library(name: str) -> tuple[str, str]:
    """The library that serves `name`, and the model's name there."""
    library, _, model = name.partition(":") if ":" in name else ("", "", name)
    if library in TIMM_PLACES:
        return "timm", name
    if library in BY_PLACE:
        return library, model
    libraries = [library] if library else [TINY] if name == TINY else list(BACKBONES)
    for candidate in libraries:
        if BACKBONES[candidate].is_known(model):
            return candidate, model
    if Path(name).is_file():
        raise InputError(
            f"{name} is a file and no name of a network; name the network with --backbone, such as "
            f"torchvision:resnet18, and its file with --weights {name}"
        )
    known = {model for candidate in libraries for model in BACKBONES[candidate].names("*")}
    close = get_close_matches(model, sorted(known), n=3)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise InputError(
        f"no backbone named {name!r}{hint} (search the {len(known):,} known names with `{called()} backbones PATTERN`)"
    )


def load_default_backbone(progress: Progress = SILENT, **settings: Any) -> "Backbone":
    """A good small pretrained backbone, or `tiny` where its weights are not to be had; says which, and why."""
    from gapscope.backbones.hub import WeightsMissing

    try:
        backbone = load_backbone(DEFAULT, **settings)
    except WeightsMissing:
        progress.say(
            f"No backbone was named and the weights of {DEFAULT} cannot be reached, so {TINY!r} (fixed random "
            "filters) is used; name a better one with --backbone and --weights FILE."
        )
        return load_backbone(TINY, **settings)
    progress.say(f"No backbone was named, so {DEFAULT} is used.")
    return backbone


def search_backbones(pattern: str = "*") -> list[dict[str, Any]]:
    """``name``, ``library``, ``pretrained`` and ``input_size`` of models whose names match a shell-style `pattern`."""
    return [
        {"name": f"torchvision:{name}" if key == "torchvision" else name, "library": key} | library.describe(name)
        for key, library in BACKBONES.items()
        for name in library.names(pattern)
    ]

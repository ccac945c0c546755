"""A network that a function of the user's own makes: ``module:function``, whose code is executed.

The function gets the arguments of ``--backbone-args`` that are not of the input, and ``weights`` where ``--weights``
names some. It returns a `torch.nn.Module` that makes ``(n, d)`` of normalised pixels ``(n, 3, h, w)``, or a pair of it
and a mapping with any of ``mean, std, crop_pct, crop_mode, interpolation, input_size`` of its input, ``classifier``
(its last linear layer, whose input is then the embedding), ``class_names``, ``prefix_tokens`` and ``pooling``
(where it gives tokens), ``joint`` (whether what it gives lies in a space that images and texts share).
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from inspect import getsourcefile
from pathlib import Path
from typing import Any

from torch import nn

from gapscope.backbones.body import without
from gapscope.backbones.network import Network, Unpooled
from gapscope.backbones.preprocessing import IMAGENET_MEAN, IMAGENET_STD, OPTIONS, with_crop_pct
from gapscope.backbones.reader import pooled
from gapscope.backbones.request import Request
from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.functions import function_named

WANTED = "write it as module:function, a function that returns a torch.nn.Module"
INPUT = {
    "input_size": (224, 224),
    "crop_pct": 1.0,
    "interpolation": "bicubic",
    "mean": IMAGENET_MEAN,
    "std": IMAGENET_STD,
}
ABOUT = ("classifier", "class_names", "prefix_tokens", "pooling", "joint")


def load(request: Request) -> Network:
    """The network that the function of a `request` makes, in evaluation mode on its device."""
    function = imported(request.name)
    model, about = _made(request, function)
    model = model.to(request.device).eval()
    classifier, prefix = about.get("classifier", ""), about.get("prefix_tokens")
    if classifier and classifier not in dict(model.named_modules()):
        raise InputError(f"{request.name} names the classifier {classifier!r}, which its network has not")
    body = without(model, classifier) if classifier else model
    pool = about.get("pooling") or ("token" if prefix else "avg")
    given = {name: about[name] for name in OPTIONS if name in about}
    unstated = [name for name in ("mean", "std") if name not in given and name not in request.options]
    return Network(
        model=model,
        features=lambda x: _vector(body(x), pool, prefix or 0),
        classifier=model.get_submodule(classifier) if classifier else None,
        preprocessing=_preprocessing(given | dict(request.options)),
        weights=f"{request.weights or 'pretrained'}, {_source(function)}",
        layer=f"input of {classifier}" if classifier else "output",
        class_names=tuple(about.get("class_names", ())),
        unpooled=Unpooled(body, "output"),
        pooling=pool if prefix is not None or "pooling" in about else "",
        prefix_tokens=prefix,
        contrastive=bool(about.get("joint")),
        notes=(_assumed(request.name, unstated),) if unstated else (),
    )


def _assumed(name: str, unstated: list[str]) -> str:
    return (
        f"{name} does not say {' and '.join(unstated)} of its input, so ImageNet's are used; return them in a "
        "mapping beside the network, or give --backbone-args mean=… std=…"
    )


def imported(name: str) -> Callable[..., Any]:
    """The function called ``module:function``; modules are looked for in the current folder too."""
    try:
        return function_named(name, WANTED)
    except InputError as error:
        if not isinstance(error.__cause__, ModuleNotFoundError):
            raise
        raise InputError(
            f"no backbone library named {name.partition(':')[0]!r}, and no module of that name either "
            f"({error.__cause__}); known libraries are timm, torchvision, transformers, onnx, hf-hub and local-dir; "
            f"for a network of your own, {WANTED}"
        ) from error


def _made(request: Request, function: Callable[..., Any]) -> tuple[nn.Module, Mapping[str, Any]]:
    arguments = dict(request.constructor) | ({"weights": request.weights} if request.weights else {})
    try:
        result = function(**arguments)
    except GapscopeError:
        raise
    except Exception as error:
        raise InputError(f"{request.name} called with {arguments} failed: {type(error).__name__}: {error}") from error
    model, about = result if isinstance(result, tuple) and len(result) == 2 else (result, {})
    if not isinstance(model, nn.Module) or not isinstance(about, Mapping):
        raise InputError(
            f"{request.name} returned {type(result).__name__}; wanted a torch.nn.Module, or a pair with a mapping"
        )
    unknown = sorted(set(about) - {*OPTIONS, *ABOUT})
    if unknown:
        raise InputError(
            f"{request.name} returned {unknown[0]!r} of its input; known are {', '.join((*OPTIONS, *ABOUT))}"
        )
    return model, about


def _preprocessing(given: Mapping[str, Any]):
    values = INPUT | {name: _three(name, value) for name, value in given.items()}
    size, crop_pct = values.pop("input_size"), values.pop("crop_pct")
    return with_crop_pct((size, size) if isinstance(size, int) else tuple(size)[-2:], crop_pct, **values)


def _three(name: str, value: Any) -> Any:
    if name not in ("mean", "std"):
        return value
    return (float(value),) * 3 if isinstance(value, (int, float)) else tuple(map(float, value))


def _vector(output: Any, pool: str, prefix: int) -> Any:
    """The features of a batch; tokens and maps are pooled."""
    output = output[0] if isinstance(output, (tuple, list)) else output
    if output.ndim == 4 and output.shape[2:].numel() == 1:
        return output.flatten(1)
    return pooled(output, pool, prefix)


def _source(function: Callable[..., Any]) -> str:
    """What is written down of the code that ran: the digest of its file."""
    try:
        file = getsourcefile(function)
        return f"code sha256 {sha256(Path(file or '').read_bytes()).hexdigest()[:16]}"
    except (TypeError, OSError):
        return "code of no file"

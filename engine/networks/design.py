"""A network by name, with a head for as many classes as there are, and weights from a generator or from a file."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from math import ceil
from typing import Any

import timm
import torch
import torchvision
from timm.data import resolve_data_config
from torch import nn

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.random import stream
from gapscope.networks import NETWORKS
from gapscope.networks.frame import Frame

State = Mapping[str, torch.Tensor]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TORCHVISION, TIMM = "torchvision", "timm"
# What may learn, and which share of the layers counts as the first ones.
LAYERS, FIRST = ("all", "first", "head"), 0.25
# These two warn about their initialisation unless told what it is, and give several outputs while they learn.
SLOW_START = {"googlenet": {"init_weights": True, "aux_logits": False}}
SLOW_START["inception_v3"] = SLOW_START["googlenet"]


@dataclass(frozen=True)
class Design:
    """Which network, without its weights; plain values that a file can hold.

    Attributes
    ----------
    name
        A member of `NETWORKS`, a timm model, or ``torchvision:MODEL``.
    arguments
        Of the network's constructor.
    """

    name: str
    frame: Frame
    classes: int
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def library(self) -> str:
        """``timm``, ``torchvision``, or empty for a member of `NETWORKS`."""
        if self.name in NETWORKS:
            return ""
        return TORCHVISION if self.model in _torchvision_names() and self._says_torchvision else TIMM

    @property
    def model(self) -> str:
        """The network's name in its library."""
        return self.name.rpartition(":")[2]

    @property
    def _says_torchvision(self) -> bool:
        return self.name.startswith(f"{TORCHVISION}:") or not timm.is_model(self.model)

    def check(self) -> None:
        """Refuse a name that no library has, with the nearest spelling."""
        if self.name not in NETWORKS and not timm.is_model(self.model) and self.model not in _torchvision_names():
            raise unknown_name("network", self.name, [*NETWORKS, *_near(self.model)])

    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Mean and standard deviation that the network's published weights want; None for a member of `NETWORKS`."""
        if not self.library:
            return None
        if self.library == TORCHVISION:
            return IMAGENET_MEAN, IMAGENET_STD
        config = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(self.model).to_dict())
        return tuple(config["mean"]), tuple(config["std"])

    def build(self, seed: int) -> nn.Module:
        """The network with random weights, which `seed` decides."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(stream(seed, "weights").integers(2**62)))
            return self._create().to(memory_format=torch.channels_last)

    def _create(self) -> nn.Module:
        if not self.library:
            return self._own()
        try:
            if self.library == TORCHVISION:
                settings = SLOW_START.get(self.model, {}) | dict(self.arguments)
                return torchvision.models.get_model(self.model, weights=None, num_classes=self.classes, **settings)
            return timm.create_model(self.model, num_classes=self.classes, **self._fixed_size(), **self.arguments)
        except (TypeError, ValueError, AssertionError, RuntimeError, KeyError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"{self.library} cannot make {self.name!r} with {dict(self.arguments)}: {reason}"
            ) from error

    def _own(self) -> nn.Module:
        if self.arguments:
            raise InputError(
                f"the network {self.name!r} takes no --network-args; leave out {', '.join(self.arguments)}"
            )
        if min(self.frame.size) < 8:
            raise InputError(f"images of {self.frame.height} × {self.frame.width} are too small; use --image-size 8")
        return NETWORKS[self.name](self.frame.channels, self.classes, self.frame.size)

    def _fixed_size(self) -> dict[str, Any]:
        """Networks that are built for one size are told when it is to be another."""
        config = timm.get_pretrained_cfg(self.model)
        return {"img_size": self.frame.size} if config is not None and config.fixed_input_size else {}


def library_size(name: str) -> int:
    """Height of the images that a timm or torchvision network was published for, in pixels."""
    design = Design(name, Frame(0, 0, 3), 0)
    design.check()
    if design.library == TORCHVISION:
        return torchvision.models.get_model_weights(design.model).DEFAULT.transforms().crop_size[0]
    return int(timm.get_pretrained_cfg(design.model).input_size[-1])


def _torchvision_names() -> list[str]:
    return torchvision.models.list_models(module=torchvision.models)


def _near(name: str) -> list[str]:
    """Names that begin alike; all of them would be a thousand."""
    return [result for result in timm.list_models() if result[:4] == name[:4]][:10]


def head_name(model: nn.Module) -> str:
    """The last linear layer, which gives the logits.

    Raises
    ------
    InputError
        There is none.
    """
    result = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not result:
        raise InputError(f"{type(model).__name__} does not end in a linear layer; choose a network that does")
    return result[-1]


def load_weights(model: nn.Module, state: State, place: str) -> bool:
    """Fill `model` with `state`; a head for another number of classes stays behind. Whether the head was filled too.

    Raises
    ------
    InputError
        The tensors are not those of this network.
    """
    head, wanted = head_name(model), model.state_dict()
    state = _converted(model, state)
    replaced = {
        name
        for name in wanted
        if name.rpartition(".")[0] == head and (name not in state or state[name].shape != wanted[name].shape)
    }
    kept = {name: tensor for name, tensor in state.items() if name not in replaced}
    wrong = [name for name in kept if name not in wanted or kept[name].shape != wanted[name].shape]
    lacking = [
        name for name in wanted if name not in kept and name not in replaced and "num_batches_tracked" not in name
    ]
    if wrong or lacking:
        what = f"has {wrong[0]!r}, which does not fit" if wrong else f"lacks {lacking[0]!r}"
        more = f" and {len(wrong) + len(lacking) - 1} more do not" if len(wrong) + len(lacking) > 1 else ""
        raise InputError(f"{place} does not fit the network: it {what}{more}; check --network and --network-args")
    model.load_state_dict(kept, strict=False)
    return not replaced


def _converted(model: nn.Module, state: State) -> State:
    """Checkpoints in their authors' layout pass through the conversion of timm's family."""
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is None or set(state) <= set(model.state_dict()):
        return state
    try:
        return convert(dict(state), model)
    except (TypeError, KeyError, ValueError, RuntimeError, AttributeError, AssertionError):
        return state  # not a layout that the family knows: the mismatch is reported as it is


def body_parameters(model: nn.Module) -> Iterator[nn.Parameter]:
    """All parameters but those of the head."""
    head = head_name(model)
    return (value for name, value in model.named_parameters() if name.rpartition(".")[0] != head)


def first_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Those of the first quarter of the layers with weights, and of the norms between them."""
    weighted = (nn.modules.conv._ConvNd, nn.Linear)
    layers = [module for module in model.modules() if isinstance(module, weighted)]
    later = {id(value) for module in layers[ceil(FIRST * len(layers)) :] for value in module.parameters()}
    return list(takewhile(lambda value: id(value) not in later, model.parameters()))


def _learning(model: nn.Module, layers: str) -> set[int]:
    """The `id` of every parameter that learns."""
    if layers == "first":
        return {id(value) for value in first_parameters(model)}
    body = {id(value) for value in body_parameters(model)} if layers == "head" else set()
    return {id(value) for value in model.parameters()} - body


def freeze(model: nn.Module, layers: str) -> None:
    """Let some of `LAYERS` learn, and no others."""
    learning = _learning(model, layers)
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in learning)


def train_mode(model: nn.Module, layers: str, *, norms_frozen: bool) -> None:
    """Training mode, in which layers that do not learn, or frozen norms, keep their statistics and drop nothing."""
    learning = _learning(model, layers)
    model.train(layers == "all")
    for module in model.modules():
        if any(id(value) in learning for value in module.parameters(recurse=False)):
            module.training = True
        if norms_frozen and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()

"""One or several tensors of one pass through a network, each pooled to a vector an image."""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from gapscope.backbones.network import Network
from gapscope.backbones.tensor import Wanted
from gapscope.core.errors import InputError, unknown_name
from gapscope.schemas.embeddings import Tensor

Pixels = torch.Tensor


class Hooked:
    """A function of pixels, and what the modules `names` of `model` gave while it ran.

    Several threads may call it: what each has seen is its own.
    """

    def __init__(self, model: nn.Module, names: Sequence[str], function: Callable[[Pixels], Any] | None = None):
        self._function, self._seen = function or model, threading.local()
        modules = dict(model.named_modules())
        for name in dict.fromkeys(names):
            if name not in modules:
                raise unknown_name("layer", name, [one for one in modules if one.count(".") <= 1 and one])
            modules[name].register_forward_hook(partial(self._keep, name))

    def _keep(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        seen = getattr(self._seen, "outputs", None)
        if seen is not None:
            seen[name] = output[0] if isinstance(output, (tuple, list)) else output

    def __call__(self, x: Pixels) -> tuple[Any, Mapping[str, torch.Tensor]]:
        """What the function gives of `x`, and the modules' outputs by name."""
        self._seen.outputs = {}
        try:
            return self._function(x), self._seen.outputs
        finally:
            self._seen.outputs = None


def pooled(x: torch.Tensor, pool: str, prefix: int, *, channels_last: bool = False) -> torch.Tensor:
    """Tokens ``(n, t, d)`` or maps ``(n, c, h, w)``, ``(n, h, w, c)`` if `channels_last`, as one vector an image.

    ``avg`` and ``max`` are over patches, the first `prefix` tokens left out.
    """
    if x.ndim == 2:
        return x
    if x.ndim == 4:
        x, prefix = (x.flatten(1, 2) if channels_last else x.flatten(2).transpose(1, 2)), 0
    if x.ndim != 3:
        raise InputError(
            f"a tensor of shape {tuple(x.shape[1:])} an image can be pooled by no rule; name another --layer"
        )
    if "token" in pool and not prefix:
        raise InputError(f"this network has no class token, which the pooling {pool} needs; choose --pool avg or max")
    patches = x[:, prefix:]
    one = {"token": lambda: x[:, 0], "avg": lambda: patches.mean(dim=1), "max": lambda: patches.amax(dim=1)}
    return torch.cat([one[name]() for name in pool.split("+")], dim=1)


class Reader:
    """The tensors `wanted` of a network, from one pass."""

    def __init__(self, network: Network, wanted: Sequence[Wanted]):
        self._network, self._wanted = network, tuple(wanted)
        layers = [one.layer for one in wanted if one.layer]
        last = network.unpooled is not None and any(not one.layer for one in wanted)
        if not last and not layers and any(one.pool for one in wanted):
            raise InputError(
                "this network's tokens or maps have no name of their own; name a module of it with --layer"
            )
        self._hooked = Hooked(network.model, layers, network.unpooled.run if last else None)

    @property
    def is_plain(self) -> bool:
        """Whether the network's own features are all that is wanted."""
        return self._wanted == (Wanted(),)

    def __call__(self, x: Pixels) -> list[torch.Tensor]:
        """The vectors ``(n, d)`` of normalised pixels, one for each tensor."""
        if self.is_plain:
            return [self._network.features(x)]
        last, outputs = self._hooked(x)
        return [self._vector(one, last, outputs, x) for one in self._wanted]

    def _vector(self, one: Wanted, last: Any, outputs: Mapping[str, torch.Tensor], x: Pixels) -> torch.Tensor:
        if not any(one):
            return self._network.features(x)
        tokens = self._tokens(one, last, outputs)
        prefix, pool = self._network.prefix_tokens or 0, self.pool_of(one)
        own = self._network.unpooled.finish if not one.layer else None
        parts = [pooled(tokens, name, prefix, channels_last=self._network.channels_last) for name in pool.split("+")]
        return torch.cat([own(part) if own else part for part in parts], dim=1)

    def _tokens(self, one: Wanted, last: Any, outputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        if one.layer and not isinstance(outputs.get(one.layer), torch.Tensor):
            raise InputError(f"the layer {one.layer!r} gives no tensor when the network runs; name another one")
        return outputs[one.layer] if one.layer else last

    def pool_of(self, one: Wanted) -> str:
        """The pooling of a tensor: what was asked for, else the class token where the network uses it, else ``avg``."""
        return one.pool or ("token" if self._network.pooling == "token" else "avg")

    def tensor(self, one: Wanted) -> Tensor:
        """What the provenance says of a tensor, the head left open."""
        network = self._network
        own = not any(one)
        return Tensor(
            pooling=network.pooling if own else self.pool_of(one),
            prefix_tokens=network.prefix_tokens,
            activation=activation_of(network.model),
            norm="" if one.layer else network.norm,
            joint=network.joint and own,
        )

    def layer(self, one: Wanted) -> str:
        """The name of a tensor's layer."""
        if not any(one):
            return self._network.layer
        return one.layer or self._network.unpooled.layer


ACTIVATIONS = {"GELU": "gelu", "GELUActivation": "gelu", "QuickGELU": "quick_gelu", "QuickGELUActivation": "quick_gelu"}


def activation_of(model: nn.Module) -> str:
    """The activation that most layers of `model` have, in lower case; empty where it has none of its own."""
    names = [type(module).__name__ for module in model.modules() if _is_activation(module)]
    best = max(dict.fromkeys(names), key=names.count, default="")
    return ACTIVATIONS.get(best, best.lower().removesuffix("activation"))


def _is_activation(module: nn.Module) -> bool:
    if type(module).__name__ in ACTIVATIONS:
        return True
    known = ("torch.nn.modules.activation", "timm.layers.activations", "transformers.activations")
    other = (nn.MultiheadAttention, nn.Softmax, nn.Sigmoid, nn.Hardsigmoid)
    return type(module).__module__.startswith(known) and not isinstance(module, other)

"""Layers of weights with a function between them: what a multi-layer perceptron computes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from gapscope.core.errors import unknown_name
from gapscope.probes.rules.linear import NEVER

Array = np.ndarray


def _step(x: Array) -> Array:
    return (x > 0).astype(np.float32)


FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "identity": lambda x: x,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "step": _step,
}


@dataclass(frozen=True)
class Network:
    """Scores from ``entry((x - shift) * factor)`` through layers ``x @ weight + bias`` with `activation` between them.

    Attributes
    ----------
    shift, factor : (d,) float32
    weights : of (d, h), (h, …), …, (…, k) float32
    biases : of (h,), …, (k,) float32
    activation
        A name in `FUNCTIONS`, applied between layers and not behind the last.
    entry
        The same, applied to each scaled feature.
    """

    shift: Array
    factor: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activation: str = "relu"
    entry: str = "identity"
    kind: ClassVar[str] = "network"

    def __post_init__(self) -> None:
        for name in (self.activation, self.entry):
            if name not in FUNCTIONS:
                raise unknown_name("activation", name, FUNCTIONS)

    def over_all(self, present: Array, classes: int) -> "Network":
        """This network, whose outputs are those of the `present` classes, with an output for all `classes`.

        A class that had no training rows is never predicted.
        """
        *inner, last = self.weights
        *before, offset = self.biases
        weight = np.zeros((len(last), classes), np.float32)
        weight[:, present] = last
        bias = np.full(classes, NEVER)
        bias[present] = offset
        return Network(self.shift, self.factor, (*inner, weight), (*before, bias), self.activation, self.entry)

    def scores(self, x: Array) -> Array:
        """Scores ``(n, k)`` float32 of ``x : (n, d)``; two flops for each row and weight."""
        x = FUNCTIONS[self.entry]((np.asarray(x, np.float32) - self.shift) * self.factor)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = (FUNCTIONS[self.activation](x) if layer else x) @ weight + bias
        return x

    def tensors(self) -> dict[str, Array]:
        """See `Rule.tensors`."""
        layers = {f"weight_{layer}": weight for layer, weight in enumerate(self.weights)}
        layers |= {f"bias_{layer}": bias for layer, bias in enumerate(self.biases)}
        return {"shift": self.shift, "factor": self.factor} | layers

    def settings(self) -> dict[str, Any]:
        """See `Rule.settings`."""
        return {"layers": len(self.weights), "activation": self.activation, "entry": self.entry}

    @classmethod
    def restore(cls, tensors: Mapping[str, Array], settings: Mapping[str, Any]) -> "Network":
        """See `Rule.restore`."""
        layers = range(settings["layers"])
        weights, biases = (tuple(tensors[f"{name}_{layer}"] for layer in layers) for name in ("weight", "bias"))
        return cls(tensors["shift"], tensors["factor"], weights, biases, settings["activation"], settings["entry"])

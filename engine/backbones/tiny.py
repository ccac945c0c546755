"""A small network of fixed random filters: features in no time, without weights, for tests and the demo.

Random convolutions with rectification and pooling are known to give useful features for small images (Saxe et al. 2011,
"On random weights and unsupervised feature learning"); nothing here is learnt, so the features never change.
"""

from fnmatch import fnmatch
from typing import Any

import numpy as np
import torch
from torch import nn

from gapscope.backbones.network import Network
from gapscope.backbones.preprocessing import Preprocessing, with_crop_pct
from gapscope.backbones.request import Library, Request
from gapscope.core.errors import InputError
from gapscope.core.random import stream

SIZE = 32
FINE, COARSE = 32, 64


class Tiny(nn.Module):
    """Two random convolutions; the first pooled to 4 × 4 cells, the second to 2 × 2."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, FINE, 5, padding=2)
        self.second = nn.Conv2d(FINE, COARSE, 3, padding=1)
        for name, layer in (("first", self.first), ("second", self.second)):
            _fill(layer, stream(0, "tiny", name))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features ``(n, 768) float32`` of normalised pixels ``x : (n, 3, h, w)``."""
        fine = torch.relu(self.first(x))
        halved = nn.functional.avg_pool2d(fine, 2)
        coarse = torch.relu(self.second(halved))
        pooled = (nn.functional.adaptive_avg_pool2d(fine, 4), nn.functional.adaptive_avg_pool2d(coarse, 2))
        return torch.cat([part.flatten(1) for part in pooled], dim=1)


def _fill(layer: nn.Conv2d, rng: np.random.Generator) -> None:
    """Unit-norm filters that ignore the mean level, and small random thresholds."""
    weight = rng.standard_normal(layer.weight.shape)
    weight -= weight.mean(axis=(2, 3), keepdims=True)
    weight /= np.sqrt((weight**2).sum(axis=(1, 2, 3), keepdims=True))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(rng.uniform(-0.1, 0.1, layer.bias.shape)))


def load(request: Request) -> Network:
    """The network, at 32 × 32 pixels unless the request says otherwise; it takes no weights."""
    if request.constructor or request.weights:
        raise InputError(
            "the backbone 'tiny' has fixed random filters: no --weights, and --backbone-args only for its input"
        )
    model = Tiny().to(request.device).eval()
    rest = {
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
        "interpolation": "bilinear",
        "input_size": (SIZE, SIZE),
        "crop_pct": 1.0,
    }
    return Network(
        model, model, None, preprocessing(rest | request.options), "fixed random filters", "pooled convolutions"
    )


def preprocessing(options: dict) -> Preprocessing:
    """The preprocessing that `options` spell, with timm's names."""
    options = dict(options)
    return with_crop_pct(options.pop("input_size"), options.pop("crop_pct"), **options)


def names(pattern: str) -> list[str]:
    """Its name, if it matches a shell-style `pattern`."""
    return ["tiny"] if fnmatch("tiny", pattern) else []


def describe(name: str) -> dict[str, Any]:
    """It needs no weights; the height of its input."""
    return {"pretrained": False, "input_size": SIZE}


LIBRARY = Library(load, names, describe, lambda name: name == "tiny")

"""What a library hands over: a network, how its features come out of it, and its linear classifier."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from gapscope.backbones.framed import Framed
from gapscope.backbones.preprocessing import Preprocessing


class Head(NamedTuple):
    """A linear classifier: ``logits = features @ weight.T + bias``.

    Attributes
    ----------
    weight : (k, d) float32
    bias : (k,) float32
    class_names
        By class index; empty where the library does not say.
    """

    weight: np.ndarray
    bias: np.ndarray
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unpooled:
    """A network's last tokens or maps.

    Attributes
    ----------
    run
        From normalised pixels to tokens ``(n, t, d)`` or maps ``(n, c, h, w)``.
    layer
        What they are called.
    finish
        What the network does with them once they are pooled to ``(n, d)``, up to its classifier.
    """

    run: Callable[[torch.Tensor], torch.Tensor]
    layer: str
    finish: Callable[[torch.Tensor], torch.Tensor] = field(default=lambda x: x)


@dataclass(frozen=True)
class Network:
    """What a library hands over: a model on its device, in evaluation mode, and how its features come out of it.

    Attributes
    ----------
    model
        Called with normalised pixels ``(n, c, h, w)``, one channel for each mean of `preprocessing`; gives logits
        ``(n, k)`` if `classifier` is there.
    features
        From the same pixels to what the classifier sees, ``(n, d)``.
    classifier
        The model's last linear layer.
    class_names
        What it tells apart, where that is known.
    unpooled
        Its last tokens or maps, where they can be read before they are pooled.
    pooling, norm, prefix_tokens
        What `gapscope.schemas.embeddings.Tensor` says of `features`.
    channels_last
        Whether its maps are ``(n, h, w, c)``.
    contrastive
        Whether its features, or what its last layer makes of them, lie in a space that images and texts share.
    digest
        Of its weights, where they are no tensors of `model`.
    notes
        Sentences for whoever uses it.
    """

    model: torch.nn.Module
    features: Callable[[torch.Tensor], torch.Tensor]
    classifier: torch.nn.Module | None
    preprocessing: Preprocessing | Framed
    weights: str
    layer: str
    class_names: tuple[str, ...] = ()
    unpooled: Unpooled | None = None
    pooling: str = ""
    norm: str = ""
    prefix_tokens: int | None = None
    channels_last: bool = False
    contrastive: bool = False
    digest: str = ""
    notes: tuple[str, ...] = ()

    @property
    def joint(self) -> bool:
        """Whether the features themselves lie in a space that images and texts share."""
        return self.contrastive and self.classifier is None

"""What a library of networks is asked for when a backbone is loaded, and what it can answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from gapscope.backbones.network import Network

RANDOM = "random"


@dataclass(frozen=True)
class Request:
    """A network by its library's name.

    Attributes
    ----------
    weights
        Empty for the library's own, ``random``, or a file.
    constructor, options
        Arguments of the network's constructor, and preprocessing values that override its own
        (`gapscope.backbones.preprocessing.OPTIONS`).
    seed
        Decides random weights.
    """

    name: str
    weights: str
    constructor: Mapping[str, Any]
    options: Mapping[str, Any]
    seed: int
    device: torch.device


class Library(NamedTuple):
    """A library of networks.

    Attributes
    ----------
    load
        The network of a request.
    names
        Names that match a shell-style pattern, sorted.
    describe
        Whether there are pretrained weights for a name, and its input size, without making the network.
    is_known
        Whether the library has a network of this name.
    """

    load: Callable[[Request], "Network"]
    names: Callable[[str], list[str]]
    describe: Callable[[str], dict[str, Any]]
    is_known: Callable[[str], bool]

"""A model without its classifier."""

from copy import deepcopy
from itertools import chain

from torch import nn


def without(model: nn.Module, name: str) -> nn.Module:
    """`model` without the layer `name`, whose input it then gives; both share their tensors."""
    shared = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    body = deepcopy(model, shared)
    body.set_submodule(name, nn.Identity())
    return body

"""A network between the weights that its training began with and those that it ended with.

References
----------
Wortsman et al. (2022), "Robust fine-tuning of zero-shot models": WiSE-FT.
"""

from torch import nn

from gapscope.core.errors import InputError
from gapscope.networks.design import State


def interpolated_from(model: nn.Module, share: float) -> State:
    """A copy of the weights to begin with, for `go_back`; empty where the network goes all the way.

    Raises
    ------
    InputError
        The share is none.
    """
    if not 0 < share <= 1:
        raise InputError(f"--interpolate is {share}; give a share above 0, up to 1")
    if share == 1:
        return {}
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def go_back(model: nn.Module, start: State, share: float) -> None:
    """Give a trained `model` the weights at `share` of the way from `start`, statistics of batch norms included."""
    state = model.state_dict()
    for name, first in start.items():
        if first.is_floating_point():
            state[name].lerp_(first.to(state[name].device), 1 - share)

"""What a training has reached as arrays, and back: of networks, of optimisers, and the average that follows a network.

Never a pickle. All of it is exact: what is put back is what was taken, bit for bit.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

Arrays = dict[str, np.ndarray]
Pair = tuple[list[torch.Tensor], list[torch.Tensor]]


def arrays_of(state: Mapping[Any, Any], prefix: str) -> Arrays:
    """Copies of the tensors of a state under ``prefix/name``; nested states give ``prefix/outer/name``."""
    arrays = {}
    for name, value in state.items():
        if isinstance(value, Mapping):
            arrays |= arrays_of(value, f"{prefix}/{name}")
        elif value is not None:
            arrays[f"{prefix}/{name}"] = torch.as_tensor(value).detach().cpu().numpy().copy()
    return arrays


def fill(module: nn.Module, arrays: Mapping[str, np.ndarray], prefix: str) -> None:
    """Put what `arrays_of` gave into `module`; numbers by themselves come back from a file as arrays of one."""
    for name, tensor in module.state_dict().items():
        tensor.copy_(torch.from_numpy(arrays[f"{prefix}/{name}"].copy()).reshape(tensor.shape))


def optimiser_arrays(optimiser: torch.optim.Optimizer, prefix: str) -> Arrays:
    """What the optimiser remembers of each parameter, under ``prefix/index/name``."""
    return arrays_of(optimiser.state_dict()["state"], prefix)


def fill_optimiser(optimiser: torch.optim.Optimizer, arrays: Mapping[str, np.ndarray], prefix: str) -> None:
    """Put back what `optimiser_arrays` gave; rates and the like stay as they are."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, array in arrays.items():
        if key.startswith(f"{prefix}/"):
            index, name = key.removeprefix(f"{prefix}/").split("/")
            shape = () if name == "step" else parameters[int(index)].shape
            state.setdefault(int(index), {})[name] = torch.from_numpy(array.copy()).reshape(shape)
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


class Followed(NamedTuple):
    """Tensors of a moving average and of the network that it follows, in pairs: those averaged, and counters.

    They are looked up once, because a network with many layers takes as long to list as to average; so neither network
    may be given other tensors meanwhile.
    """

    averaged: Pair
    copied: Pair

    @classmethod
    def of(cls, average: nn.Module, network: nn.Module) -> "Followed":
        """The tensors of `average`, which is a copy of `network`."""
        mine, theirs = ([*one.state_dict().values()] for one in (average, network))
        pairs = [*zip(mine, theirs, strict=True)]
        kinds = ([pair for pair in pairs if pair[0].is_floating_point() is kind] for kind in (True, False))
        return cls(*(([mine for mine, _ in result], [theirs for _, theirs in result]) for result in kinds))

    @torch.no_grad()
    def step(self, decay: float, done: int) -> None:
        """Move the average towards the network after `done` steps; early ones, which start from noise, fade faster."""
        get_ema_multi_avg_fn(min(decay, (1 + done) / (10 + done)))(*self.averaged, None)
        for mine, theirs in zip(*self.copied, strict=True):
            mine.copy_(theirs)

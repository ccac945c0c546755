"""What a training has reached as arrays and plain values, and back: never a pickle."""

import errno
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.core.checkpoint import Checkpoint
from engine.core.errors import GapscopeError

Arrays = dict[str, np.ndarray]


class DiskFullError(GapscopeError):
    """There was no room for a checkpoint; the one before it is still there."""


def arrays_of(state: Mapping[str, torch.Tensor], prefix: str) -> Arrays:
    """The tensors of `state` as arrays under ``prefix/name``."""
    return {f"{prefix}/{name}": tensor.detach().cpu().numpy() for name, tensor in state.items()}


def fill(module: nn.Module, arrays: Mapping[str, np.ndarray], prefix: str) -> None:
    """Put what `arrays_of` gave into `module`; numbers by themselves come back from a file as arrays of one."""
    for name, tensor in module.state_dict().items():
        tensor.copy_(torch.from_numpy(arrays[f"{prefix}/{name}"].copy()).reshape(tensor.shape))


def optimiser_arrays(optimiser: torch.optim.Optimizer) -> Arrays:
    """What the optimiser remembers of each parameter, under ``optimiser/index/name``."""
    state = optimiser.state_dict()["state"]
    return {
        f"optimiser/{index}/{name}": torch.as_tensor(value).detach().cpu().numpy()
        for index, memory in state.items()
        for name, value in memory.items()
        if value is not None
    }


def fill_optimiser(optimiser: torch.optim.Optimizer, arrays: Mapping[str, np.ndarray]) -> None:
    """Put back what `optimiser_arrays` gave."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, array in arrays.items():
        kind, _, rest = key.partition("/")
        if kind == "optimiser":
            index, name = rest.split("/")
            shape = () if name == "step" else parameters[int(index)].shape
            state.setdefault(int(index), {})[name] = torch.from_numpy(array.copy()).reshape(shape)
    whole = optimiser.state_dict()
    optimiser.load_state_dict({"state": state, "param_groups": whole["param_groups"]})


def save(checkpoint: Checkpoint, stage: str, arrays: Arrays, about: Mapping[str, Any]) -> None:
    """Keep what was reached after an epoch.

    Raises
    ------
    DiskFullError
        There is no room; what was kept before is untouched.
    """
    try:
        checkpoint.save(stage, arrays, about)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        mib = sum(array.nbytes for array in arrays.values()) / 2**20
        done = about["epoch"] - 1
        left = (
            f"that of epoch {done} is still there and the same command continues behind it" if done else "begin again"
        )
        raise DiskFullError(
            f"the disk is full: the checkpoint of epoch {about['epoch']} needs {mib:.1f} MiB; free some space, then "
            f"{left}"
        ) from error

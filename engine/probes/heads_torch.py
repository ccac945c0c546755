"""The heads of `heads.py` with torch, on a GPU or, for comparison, on the processors: the same arithmetic within
rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.probes.heads import ARRAYS, Heads, Parameters, Reads, Slope, check, row_scales, step_size
from gapscope.probes.objective import Gradient
from gapscope.stream import Rounds, Step, Workers, scan

FIXED = ("metric", "penalty", "origin")


@dataclass(frozen=True)
class Torch:
    """The array library of a GPU. `device` is what torch calls it, or ``torch:cpu``."""

    device: str

    def run(self, rounds: Rounds, state: Heads, reads: Reads, workers: Workers, **course: Any) -> Heads:
        """The state after one pass over the rows of `rounds`; it is on the device only meanwhile."""
        device = device_of(self.device)
        compute = partial(slope, reads=reads, device=device)
        return self.on_host(scan(rounds, _to_device(state, device), compute, advance, workers, **course))

    @staticmethod
    def on_host(state: Heads) -> Heads:
        """The state with arrays of NumPy."""
        return _moved(state, lambda tensor: tensor.cpu().numpy())


def device_of(name: str) -> str:
    device = name.removeprefix("torch:")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"torch cannot use the device {device!r}: {reason}; --device cpu always works") from error
    return device


def _to_device(state: Heads, device: str) -> Heads:
    return _moved(state, lambda array: torch.from_numpy(np.ascontiguousarray(array)).to(device))


def _moved(state: Heads, move: Callable[[Any], Any]) -> Heads:
    settings = tuple(replace(head, **{name: move(getattr(head, name)) for name in FIXED}) for head in state.settings)
    return replace(state, settings=settings, **{name: move(getattr(state, name)) for name in ARRAYS})


@dataclass(frozen=True)
class GradientOf:
    """Chunk to sums of loss and gradient at `parameters`, computed on `device` in the precision of the weights."""

    parameters: Parameters
    positions: Callable[[np.ndarray], np.ndarray]
    device: str

    def __call__(self, chunk: Chunk) -> "Gradient":
        device = device_of(self.device)
        moved = self.parameters._replace(
            weight=torch.from_numpy(self.parameters.weight).to(device),
            bias=torch.from_numpy(self.parameters.bias).to(device),
        )
        result = slope(moved, chunk, Reads(self.positions), device)
        return Gradient(result.loss, *(part.double().cpu().numpy() for part in result[2:]))


def slope(parameters: Parameters, chunk: Chunk, reads: Reads, device: str) -> Slope:
    """Loss and gradient at `parameters` of the labelled rows of a chunk, on `device`."""
    seen = reads(chunk)
    x, y = torch.from_numpy(seen.x).to(device, parameters.weight.dtype), torch.from_numpy(seen.y).to(device)
    scores = x @ parameters.weight.to(device)
    heads = scores.view(len(x), parameters.heads, -1)
    unit = None
    if parameters.unit is not None:
        unit = torch.from_numpy(row_scales(seen.x, parameters.unit)).to(device)
        heads *= unit
    scores += parameters.bias.to(device)
    loss = _residual(heads, y, _weights(parameters, seen, device))
    bias_gradient = scores.sum(dim=0)
    if unit is not None:
        heads *= unit
    return Slope(len(x), loss, x.T @ scores, bias_gradient)


def _weights(parameters: Parameters, seen: Chunk, device: str) -> Tensor | None:
    """What each row weighs in each head, ``(n, g)`` or ``(n, 1)``; None where all weigh one."""
    by_class = None if parameters.row_weights is None else torch.from_numpy(parameters.row_weights.T[seen.y])
    if seen.weight is None:
        return None if by_class is None else by_class.to(device)
    by_row = torch.from_numpy(seen.weight[:, None]).to(device, parameters.weight.dtype)
    return by_row if by_class is None else by_class.to(device) * by_row


def _residual(scores: Tensor, y: Tensor, weights: Tensor | None) -> np.ndarray:
    index = y[:, None, None].expand(-1, scores.shape[1], 1)
    losses = scores.logsumexp(dim=2) - scores.gather(2, index)[:, :, 0]
    torch.softmax(scores, dim=2, out=scores)
    scores.scatter_add_(2, index, torch.full_like(scores[:, :, :1], -1))
    if weights is not None:
        losses *= weights
        scores *= weights[:, :, None]
    return losses.sum(dim=0, dtype=torch.float64).cpu().numpy()


def advance(state: Heads, slopes: Sequence[Slope], where: Step) -> Heads:
    """One step of preconditioned descent and of averaging; see `heads.advance`."""
    check(state, slopes, where)
    size = step_size(state)
    rows = sum(slope.rows for slope in slopes)
    bias_gradient = sum(slope.bias.to(state.centre.device) for slope in slopes)
    total = sum(slope.weight.to(state.weight.device) for slope in slopes)
    for index, head in enumerate(state.settings):
        columns = state.columns(index)
        weight, rate = state.weight[:, columns], size.speed * head.rate / state.batch_rows
        steep = total[:, columns] - torch.outer(head.origin, bias_gradient[columns])
        steep += (rows * head.l2 * head.penalty)[:, None] * weight
        weight -= rate * (head.metric @ steep if head.metric.ndim == 2 else head.metric[:, None] * steep)
        state.centre[columns] -= rate * state.classes * bias_gradient[columns]
    state.mean_weight += size.share * (state.weight - state.mean_weight)
    state.mean_centre += size.share * (state.centre - state.mean_centre)
    state.done += 1
    return state

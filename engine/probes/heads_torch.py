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

from engine.core.chunk import Chunk
from engine.core.errors import InputError
from engine.probes.heads import LEARNT, Heads, Parameters, Slope, check, labelled, pace_of
from engine.stream import Rounds, Step, Workers, scan

FIXED = ("origin", "penalty")


@dataclass(frozen=True)
class Torch:
    """The array library of a GPU. `device` is what torch calls it, or ``torch:cpu``."""

    device: str

    def run(
        self,
        rounds: Rounds,
        state: Heads,
        positions: Callable[[np.ndarray], np.ndarray],
        workers: Workers,
        **shown: Any,
    ) -> Heads:
        """The state after one pass over the rows of `rounds`; it is on the device only meanwhile."""
        device = _device(self.device)
        compute = partial(slope, positions=positions, device=device)
        return _to_host(scan(rounds, _to_device(state, device), compute, advance, workers, **shown))


def _device(name: str) -> str:
    device = name.removeprefix("torch:")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"torch cannot use the device {device!r}: {reason}; --device cpu always works") from error
    return device


def _to_device(state: Heads, device: str) -> Heads:
    arrays = {name: torch.from_numpy(getattr(state, name)).to(device) for name in (*LEARNT, *FIXED)}
    settings = tuple(replace(head, metric=torch.from_numpy(head.metric).to(device)) for head in state.settings)
    return replace(state, settings=settings, **arrays)


def _to_host(state: Heads) -> Heads:
    arrays = {name: getattr(state, name).cpu().numpy() for name in (*LEARNT, *FIXED)}
    return replace(state, settings=tuple(replace(h, metric=h.metric.cpu().numpy()) for h in state.settings), **arrays)


def slope(parameters: Parameters, chunk: Chunk, positions: Callable[[np.ndarray], np.ndarray], device: str) -> Slope:
    """Loss and gradient at `parameters` of the labelled rows of a chunk, on `device`."""
    rows, labels = labelled(chunk, positions)
    x, y = torch.from_numpy(rows).to(device), torch.from_numpy(labels).to(device)
    scores = torch.addmm(parameters.bias.to(device), x, parameters.weight.to(device))
    loss = _residual(scores.view(len(x), parameters.heads, -1), y)
    return Slope(len(x), loss, x.T @ scores, scores.sum(dim=0))


def _residual(scores: Tensor, y: Tensor) -> np.ndarray:
    index = y[:, None, None].expand(-1, scores.shape[1], 1)
    losses = scores.logsumexp(dim=2) - scores.gather(2, index)[:, :, 0]
    torch.softmax(scores, dim=2, out=scores)
    scores.scatter_add_(2, index, torch.full_like(scores[:, :, :1], -1))
    return losses.sum(dim=0, dtype=torch.float64).cpu().numpy()


def advance(state: Heads, slopes: Sequence[Slope], where: Step) -> Heads:
    """One step of preconditioned descent and of averaging; see `heads.advance`."""
    check(state, slopes, where)
    pace = pace_of(state)
    rows = sum(slope.rows for slope in slopes)
    lean = sum(slope.bias.to(state.centre.device) for slope in slopes)
    gradient = sum(slope.weight.to(state.weight.device) for slope in slopes) - torch.outer(state.origin, lean)
    for index, head in enumerate(state.settings):
        columns = state.columns(index)
        weight, rate = state.weight[:, columns], pace.speed * head.rate / state.batch_rows
        steep = gradient[:, columns] + (rows * head.l2 * state.penalty)[:, None] * weight
        weight -= rate * (head.metric @ steep)
        state.centre[columns] -= rate * state.classes * lean[columns]
    state.mean_weight += pace.share * (state.weight - state.mean_weight)
    state.mean_centre += pace.share * (state.centre - state.mean_centre)
    state.done += 1
    return state

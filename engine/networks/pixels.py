"""From bytes as they are kept to the numbers that a network takes."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch


def to_device(x: np.ndarray, device: torch.device) -> torch.Tensor:
    """Bytes ``(n, h, w, c)`` on the device as ``(n, c, h, w)``, channels last in memory as they are."""
    return torch.from_numpy(x).to(device).permute(0, 3, 1, 2)


def normalised(x: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Bytes ``x : (n, c, h, w)`` as fractions of 1 less `mean` over `std`, channels last in memory."""
    shift, scale = (_by_channel(tuple(value), x.device) for value in (mean, std))
    return ((x.float() / 255 - shift) / scale).contiguous(memory_format=torch.channels_last)


@cache
def _by_channel(values: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """``(c, 1, 1)``; kept, because sending numbers to a GPU waits for all that it still has to do."""
    with torch.inference_mode(mode=False):  # made under it, they could not be used in a training
        return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]

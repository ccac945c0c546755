"""From bytes as they are kept to the numbers that a network takes."""

from collections.abc import Sequence

import numpy as np
import torch


def to_device(x: np.ndarray, device: torch.device) -> torch.Tensor:
    """Bytes ``(n, h, w, c)`` on the device as ``(n, c, h, w)``, channels last in memory as they are."""
    return torch.from_numpy(x).to(device).permute(0, 3, 1, 2)


def normalised(x: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Bytes ``x : (n, c, h, w)`` as fractions of 1 less `mean` over `std`, channels last in memory."""
    shift, scale = (torch.tensor(value, dtype=torch.float32, device=x.device)[:, None, None] for value in (mean, std))
    return ((x.float() / 255 - shift) / scale).contiguous(memory_format=torch.channels_last)

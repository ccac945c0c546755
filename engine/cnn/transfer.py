"""Tensors on their way from memory to where they are computed with."""

import torch


def sent(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`x` on the `device`; from pinned memory a GPU fetches it while it still computes what it was given before."""
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x.to(device)

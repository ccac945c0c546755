"""A residual network for small images, seven convolutions deep.

References
----------
He et al. (2016), "Identity mappings in deep residual networks"; the layout follows Page (2018), "How to train your
ResNet".
"""

import torch
from torch import nn

WIDTHS = (64, 128, 256)


class _Residual(nn.Module):
    """A value plus what two convolutions make of it."""

    def __init__(self, width: int):
        super().__init__()
        self.change = nn.Sequential(_convolution(width, width), _convolution(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, width, h, w)`` to the same shape."""
        return x + self.change(x)


def _convolution(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)
    )


class _Pooled(nn.Module):
    """The largest and the mean value of each map."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, width, h, w)`` to ``(n, 2 * width)``."""
        return torch.cat([x.amax(dim=(2, 3)), x.mean(dim=(2, 3))], dim=1)


def resnet_small(channels: int, classes: int, size: tuple[int, int]) -> nn.Sequential:
    """From normalised pixels ``(n, channels, h, w)`` of any `size` from 8 × 8 to logits ``(n, classes)``.

    A stem and three stages of 64, 128 and 256 maps; the last two halve the image, and the second and third end in a
    residual pair.
    """
    narrow, middle, wide = WIDTHS
    return nn.Sequential(
        _convolution(channels, narrow),
        nn.MaxPool2d(2),
        _convolution(narrow, middle),
        nn.MaxPool2d(2),
        _Residual(middle),
        _convolution(middle, wide),
        nn.MaxPool2d(2),
        _Residual(wide),
        _Pooled(),
        nn.Dropout(0.2),
        nn.Linear(2 * wide, classes),
    )

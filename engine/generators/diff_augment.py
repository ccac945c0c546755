"""Changes of images through which gradients flow, shown to a discriminator instead of the images themselves.

A discriminator that sees few images memorises them. If real and made images pass through the same random changes,
it cannot, and since gradients flow through them the generator still learns to make images as they were before.

References
----------
Zhao et al. (2020), "Differentiable augmentation for data-efficient GAN training"; colour, translation and cut-out with
its strengths.
"""

import torch
from torch import nn

SHIFT, HOLE = 1 / 8, 1 / 2


def diff_augment(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """``x : (n, c, h, w)``, numbers from -1 to 1: other light, colour and contrast, shifted, with a hole."""
    return _with_hole(_shifted(_recoloured(x, generator), generator), generator)


def _uniform(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One number from 0 to 1 for each image, (n, 1, 1, 1)."""
    return torch.rand((len(x), 1, 1, 1), generator=generator, device=x.device)


def _recoloured(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    x = x + _uniform(x, generator) - 0.5
    grey = x.mean(1, keepdim=True)
    x = grey + 2 * _uniform(x, generator) * (x - grey)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (0.5 + _uniform(x, generator)) * (x - mean)


def _shifted(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """By up to an eighth of each edge; what comes in is zero, the middle of the numbers."""
    n, _, height, width = x.shape
    most = [round(edge * SHIFT) for edge in (height, width)]
    down, right = (torch.randint(-m, m + 1, (n, 1), generator=generator, device=x.device) for m in most)
    rows = (torch.arange(height, device=x.device) + down + most[0])[:, :, None]
    columns = (torch.arange(width, device=x.device) + right + most[1])[:, None, :]
    padded = nn.functional.pad(x, (most[1], most[1], most[0], most[0])).permute(0, 2, 3, 1)
    return padded[torch.arange(n, device=x.device)[:, None, None], rows, columns].permute(0, 3, 1, 2)


def _with_hole(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A rectangle of half of each edge around a random pixel is zero."""
    inside = []
    for edge in x.shape[2:]:
        centre = torch.randint(0, edge, (len(x), 1), generator=generator, device=x.device)
        inside.append((torch.arange(edge, device=x.device) - centre).abs() * 2 <= edge * HOLE)
    return x.masked_fill(inside[0][:, None, :, None] & inside[1][:, None, None, :], 0)

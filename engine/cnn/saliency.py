"""Which parts of an image speak for a class: Grad-CAM from a network's last map, or from a transformer's tokens.

Tokens are folded to the grid of patches that they were made of. Where a class token alone is classified, the last
tokens of patches have no gradient, and those that the last attention reads are taken.

References
----------
Selvaraju et al. (2017), "Grad-CAM: Visual explanations from deep networks via gradient-based localization".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate
from torch.nn.modules import pooling

from gapscope.core.errors import InputError

# Images that pass through the network together; the gradient reaches back to the last map alone, so little is kept.
TOGETHER = 32
# Tokens beside those of patches, at most: of classes, registers.
OTHER_TOKENS = 16
POOLING = (pooling._MaxPoolNd, pooling._AvgPoolNd, pooling._AdaptiveMaxPoolNd, pooling._AdaptiveAvgPoolNd)


def grad_cam(model: nn.Module, x: torch.Tensor, classes: np.ndarray) -> np.ndarray:
    """How much each pixel of `x` speaks for a class, ``(n, h, w) float32`` from 0 to 1; all 0 where nothing does.

    The channels of the last map are summed with the mean gradient of the class's logit as their weights; what is
    negative becomes 0, the map is enlarged to the image bilinearly and divided by its maximum. Costs little more than a
    prediction. The model is used in evaluation mode and left as it was.

    Parameters
    ----------
    x : (n, c, h, w)
        Normalised pixels, on any device.
    classes : (n,) int
        Of the model.

    Raises
    ------
    InputError
        The network has neither a map of the image nor tokens of its patches before its head, or no such class.
    """
    classes = np.asarray(classes)
    if not len(x):
        return np.zeros((0, *x.shape[2:]), np.float32)
    x = x.to(next(model.parameters()).device)
    with _evaluating(model):
        layer = last_layer(model, x[:1])
        starts = range(0, len(x), TOGETHER)
        parts = [_heat(model, layer, x[i : i + TOGETHER], classes[i : i + TOGETHER]) for i in starts]
    return np.concatenate(parts)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; afterwards each module is in the mode that it was in."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


class Layer(NamedTuple):
    """The module that gives a map ``(n, c, h, w)``, or tokens ``(n, t, c)`` of which the last ones are a `grid` of
    patches.
    """

    module: nn.Module
    grid: tuple[int, int] | None = None

    def folded(self, output: torch.Tensor) -> torch.Tensor:
        """The output as a map."""
        if self.grid is None:
            return output
        height, width = self.grid
        return output[:, -height * width :].transpose(1, 2).unflatten(2, self.grid)


def last_layer(model: nn.Module, image: torch.Tensor) -> Layer:
    """The last map, or the last tokens of patches that matter, of ``image : (1, c, H, W)``.

    Raises
    ------
    InputError
        There is neither.
    """
    found = last_map(model, image)
    if found is not None:
        return Layer(found)
    layers = _of_tokens(model, image)
    if not layers:
        raise InputError(
            f"{type(model).__name__} has neither a map of the image nor tokens of its patches before its head, so "
            "Grad-CAM cannot tell where it looks; choose a convolutional network or a transformer of one grid"
        )
    # Where none matters, as with a head of zeros, any shows that nothing speaks for a class.
    return next((one for one in layers if _matters(model, one, image)), layers[0])


@torch.no_grad()
def last_map(model: nn.Module, image: torch.Tensor) -> nn.Module | None:
    """The module that gives the last map ``(1, channels, h, w)`` of ``image : (1, c, H, W)`` that no pooling has made;
    None where there is none, or what follows it are tokens.

    Maps of a single pixel are passed over, since they say nothing about places.
    """
    result = None
    pooled = set()
    for module, output in _outputs(model, image):
        if isinstance(module, POOLING):
            pooled.add(id(output))
        elif output.ndim == 3:
            result = None
        elif _is_map(output, image) and id(output) not in pooled:
            result = module
    return result


@torch.no_grad()
def _of_tokens(model: nn.Module, image: torch.Tensor) -> list[Layer]:
    """The modules that give tokens of the patches of one map, as wide as it has channels, the last first."""
    grid, channels, result = (0, 0), 0, []
    for module, output in _outputs(model, image):
        if _is_map(output, image):
            grid, channels = (output.shape[2], output.shape[3]), output.shape[1]
        elif output.ndim == 3 and output.shape[2] == channels:
            if 0 <= output.shape[1] - grid[0] * grid[1] <= OTHER_TOKENS:
                result.append(Layer(module, grid))
    return result[::-1]


def _matters(model: nn.Module, layer: Layer, image: torch.Tensor) -> bool:
    """Whether the logits depend on the tokens of patches there."""
    result, logits = _map_and_logits(model, layer.module, image)
    with torch.enable_grad():
        gradient = torch.autograd.grad(logits.square().sum(), result, allow_unused=True)[0]
    return gradient is not None and bool(layer.folded(gradient).any())


def _outputs(model: nn.Module, image: torch.Tensor) -> list[tuple[nn.Module, torch.Tensor]]:
    """What each module returned, in the order in which they finished; all are kept, so that none shares an `id`."""
    seen: list[tuple[nn.Module, torch.Tensor]] = []

    def note(module: nn.Module, _inputs: tuple, output: object) -> None:
        if isinstance(output, torch.Tensor):
            seen.append((module, output))

    hooks = [module.register_forward_hook(note) for module in model.modules()]
    try:
        model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _is_map(output: torch.Tensor, image: torch.Tensor) -> bool:
    """Whether the last two axes of `output` are a smaller image; those of features that stand last are not."""
    if output.ndim != 4 or output.shape[2] * output.shape[3] == 1:
        return False
    (height, width), (tall, wide) = output.shape[2:], image.shape[2:]
    return abs(height * wide - width * tall) <= 2 * max(tall, wide)


def _heat(model: nn.Module, layer: Layer, x: torch.Tensor, classes: np.ndarray) -> np.ndarray:
    result, logits = _map_and_logits(model, layer.module, x)
    if not 0 <= classes.min() <= classes.max() < logits.shape[1]:
        raise InputError(
            f"classes {classes.min()} to {classes.max()} are asked for, and the network has 0 to {logits.shape[1] - 1}"
        )
    with torch.enable_grad():
        chosen = logits[torch.arange(len(x)), torch.from_numpy(classes.astype(np.int64))]
        gradient = layer.folded(torch.autograd.grad(chosen.sum(), result)[0])
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    small = (weights * layer.folded(result.detach())).sum(dim=1, keepdim=True).relu()
    heat = interpolate(small.float(), x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    largest = heat.amax(dim=(1, 2), keepdim=True)
    return torch.where(largest > 0, heat / largest.clamp_min(torch.finfo(heat.dtype).tiny), 0).cpu().numpy()


def _map_and_logits(model: nn.Module, layer: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The output of `layer`, and the logits as a function of it; what comes before keeps nothing for a gradient."""
    result: list[torch.Tensor] = []

    def begin(_module: nn.Module, _inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        torch.set_grad_enabled(True)
        result.append(output.detach().requires_grad_().clone())  # a copy, which layers that work in place may change
        return result[-1]

    hook = layer.register_forward_hook(begin)
    try:
        with torch.no_grad():
            logits = model(x)
    finally:
        hook.remove()
    return result[-1], logits

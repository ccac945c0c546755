"""Changes to training images that keep their class, and mixtures of two images, on whole batches.

Random numbers come from torch's generator, which the training seeds for each epoch. Flips, crops and cut-outs are drawn
for each image and applied to the batch at once: torchvision's transforms draw once for all that they are given, and
calling them image by image costs more than the network does. RandAugment is torchvision's, image by image; MixUp and
CutMix are torchvision's, batch by batch.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torchvision.transforms import v2

from gapscope.cnn.transfer import sent
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.text import counted

Change = Callable[[torch.Tensor], torch.Tensor]
Mixture = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def flip(share: float) -> Change:
    """Mirror left and right a `share` of the images."""

    def change(x: torch.Tensor) -> torch.Tensor:
        chosen = sent(torch.rand(len(x)) < share, x.device)
        return torch.where(chosen[:, None, None, None], x.flip(3), x)

    return change


def crop(padding: float) -> Change:
    """Shift each image by up to `padding` pixels along both edges; what comes in is zero."""
    edge = int(padding)

    def change(x: torch.Tensor) -> torch.Tensor:
        n, _, height, width = x.shape
        top, left = sent(torch.randint(0, 2 * edge + 1, (2, n)), x.device)
        padded = torch.nn.functional.pad(x, (edge,) * 4)
        down = (top[:, None] + torch.arange(height, device=x.device))[:, :, None]
        right = (left[:, None] + torch.arange(width, device=x.device))[:, None, :]
        images = torch.arange(n, device=x.device)[:, None, None]
        return padded.permute(0, 2, 3, 1)[images, down, right].permute(0, 3, 1, 2)

    return change


def cutout(edge: float) -> Change:
    """Blacken a square of `edge` pixels around a random pixel; a part of it may lie outside the image.

    References
    ----------
    DeVries and Taylor (2017), "Improved regularization of convolutional neural networks with cutout".
    """
    half = edge / 2

    def change(x: torch.Tensor) -> torch.Tensor:
        n, _, height, width = x.shape
        down, right = (sent(torch.randint(0, length, (n, 1)), x.device) for length in (height, width))
        inside = [
            (torch.arange(length, device=x.device) >= at - half) & (torch.arange(length, device=x.device) < at + half)
            for length, at in ((height, down), (width, right))
        ]
        hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return x.masked_fill(hole, 0)

    return change


def randaugment(changes: float, magnitude: float) -> Change:
    """`changes` random ones of fourteen kinds, of a `magnitude` from 0 to 30, for each image.

    References
    ----------
    Cubuk et al. (2020), "RandAugment: practical automated data augmentation with a reduced search space".
    """
    transform = v2.RandAugment(int(changes), int(magnitude))
    return lambda x: torch.stack([transform(image) for image in x])


def mixup(alpha: float, classes: int) -> Mixture:
    """Weighted means of two images, with both classes as label.

    References
    ----------
    Zhang et al. (2018), "mixup: beyond empirical risk minimization".
    """
    return v2.MixUp(alpha=alpha, num_classes=classes)


def cutmix(alpha: float, classes: int) -> Mixture:
    """A rectangle of one image in another, with both classes as label.

    References
    ----------
    Yun et al. (2019), "CutMix: regularization strategy to train strong classifiers with localizable features".
    """
    return v2.CutMix(alpha=alpha, num_classes=classes)


# What makes a change or a mixture, and the numbers it takes when none are given.
CHANGES: dict[str, tuple[Callable[..., Change], tuple[float, ...]]] = {
    "flip": (flip, (0.5,)),
    "crop": (crop, (4,)),
    "cutout": (cutout, (8,)),
    "randaugment": (randaugment, (2, 9)),
}
MIXTURES: dict[str, tuple[Callable[..., Mixture], tuple[float, ...]]] = {
    "mixup": (mixup, (0.2,)),
    "cutmix": (cutmix, (1.0,)),
}


class Augmentation(NamedTuple):
    """Changes, applied in order, and mixtures, of which one is chosen for each batch."""

    changes: tuple[Change, ...]
    mixtures: tuple[Mixture, ...]

    def change(self, x: torch.Tensor) -> torch.Tensor:
        """A batch of images ``x : (n, c, h, w) uint8``, changed."""
        for change in self.changes:
            x = change(x)
        return x

    def mix(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised images and their classes ``(n,)``; where there are mixtures, shares of classes ``(n, k)``."""
        if not self.mixtures:
            return x, y
        chosen = int(torch.randint(len(self.mixtures), ()))
        return self.mixtures[chosen](x, y)


def parse_augmentation(texts: Sequence[str], classes: int) -> Augmentation:
    """The augmentation that `texts` spell, each ``name`` or ``name:number`` or ``name:number,number``.

    Raises
    ------
    InputError
        There is no such change, or its numbers are not those it takes.
    """
    spelled = [_spelled(text) for text in texts]
    return Augmentation(
        tuple(CHANGES[name][0](*numbers) for name, numbers in spelled if name in CHANGES),
        tuple(MIXTURES[name][0](*numbers, classes) for name, numbers in spelled if name in MIXTURES),
    )


def _spelled(text: str) -> tuple[str, tuple[float, ...]]:
    name, _, rest = text.partition(":")
    known = CHANGES | MIXTURES
    if name not in known:
        raise unknown_name("augmentation", name, known)
    usual = known[name][1]
    try:
        numbers = tuple(float(part) for part in rest.split(",")) if rest else usual
    except ValueError as error:
        raise InputError(f"augmentation {text!r} must be written {_example(name, usual)}") from error
    if len(numbers) != len(usual) or min(numbers) < 0 or (name in MIXTURES and numbers[0] <= 0):
        raise InputError(
            f"augmentation {text!r} takes {counted(len(usual), 'number')} above 0, such as {_example(name, usual)}"
        )
    return name, numbers


def _example(name: str, usual: Sequence[float]) -> str:
    return f"{name}:{','.join(f'{number:g}' for number in usual)}"

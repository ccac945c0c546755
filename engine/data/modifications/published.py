"""The settings of Hendrycks and Dietterich, by the size of the image.

They published two sets of settings: ImageNet-C, for photographs of 224 pixels, and CIFAR-10-C, for images of 32. An
image whose shorter side has fewer than `SMALL` pixels takes those of CIFAR-10-C, any other those of ImageNet-C. Lengths
among them are pixels and are not scaled further. Levels are rounded here, where the authors' code cuts them off.

References
----------
Hendrycks and Dietterich (2019), "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

SMALL = 64
Setting = TypeVar("Setting")


def is_small(image: np.ndarray) -> bool:
    """Whether ``image : (h, w, 3)`` is nearer to CIFAR-10's size than to ImageNet's."""
    return min(image.shape[:2]) < SMALL


def setting_for(image: np.ndarray, severity: int, imagenet: Sequence[Setting], cifar: Sequence[Setting]) -> Setting:
    """The setting of a `severity` from 1 to 5 at the size of `image`."""
    return (cifar if is_small(image) else imagenet)[severity - 1]

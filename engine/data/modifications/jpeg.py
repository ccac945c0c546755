"""JPEG: compressed until blocks show."""

from io import BytesIO

import numpy as np
from PIL import Image

from gapscope.data.modifications.published import setting_for

# Quality, as libjpeg counts it.
IMAGENET = (25, 18, 15, 10, 7)
CIFAR = (80, 65, 58, 50, 40)
# Of images of any size.
STRONG = (45, 28, 17, 10, 5)


def jpeg(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Encoded and decoded by Pillow with its usual chroma subsampling, as in ImageNet-C."""
    return _compressed(image, setting_for(image, severity, IMAGENET, CIFAR))


def strong_jpeg(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The same at lower qualities, which are those of small images too: CIFAR-10-C compresses these gently."""
    return _compressed(image, STRONG[severity - 1])


def _compressed(image: np.ndarray, quality: int) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))

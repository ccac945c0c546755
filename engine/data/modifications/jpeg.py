"""JPEG: compressed until blocks show."""

from io import BytesIO

import numpy as np
from PIL import Image

from gapscope.data.modifications.published import setting_for

# Quality, as libjpeg counts it.
IMAGENET = (25, 18, 15, 10, 7)
CIFAR = (80, 65, 58, 50, 40)


def jpeg(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Encoded and decoded by Pillow with its usual chroma subsampling, as in ImageNet-C."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=setting_for(image, severity, IMAGENET, CIFAR))
    return np.array(Image.open(file))

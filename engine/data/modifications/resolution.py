"""Resolution: fewer pixels than the image seems to have, alone or with the compression that goes with them."""

from io import BytesIO

import numpy as np
from PIL import Image

# Share of the pixels along each side that is left, and JPEG's quality where the image was compressed at that size.
SHARES = (0.7, 0.5, 0.37, 0.28, 0.2)
QUALITIES = (45, 32, 22, 15, 10)


def low_resolution(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Shrunk and enlarged again, both smoothly."""
    small = _resized(Image.fromarray(image), SHARES[severity - 1])
    return np.array(small.resize(image.shape[1::-1], Image.Resampling.BILINEAR))


def aliased(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Shrunk and enlarged again by nearest pixels, so that most are left out and the others are squares."""
    picture = Image.fromarray(image)
    small = picture.resize(_share_of(picture, SHARES[severity - 1]), Image.Resampling.NEAREST)
    return np.array(small.resize(picture.size, Image.Resampling.NEAREST))


def webcam(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Shrunk, enlarged again and compressed, as video of a small camera is."""
    file = BytesIO()
    Image.fromarray(low_resolution(image, severity, rng)).save(file, "JPEG", quality=QUALITIES[severity - 1])
    return np.array(Image.open(file))


def _resized(image: Image.Image, share: float) -> Image.Image:
    return image.resize(_share_of(image, share), Image.Resampling.BILINEAR)


def _share_of(image: Image.Image, share: float) -> tuple[int, int]:
    width, height = (max(1, round(side * share)) for side in image.size)
    return width, height

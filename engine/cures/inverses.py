"""What undoes a cause in an image, by family, where an inverse exists: light, casts, contrast, blur, noise, framing,
orientation.

What is lost cannot be undone: clipped light, covered parts, what lies outside a crop.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from gapscope.causes.families import (
    BLUR,
    BRIGHT,
    COLOUR,
    DARK,
    GEOMETRY,
    NEGATIVE,
    NOISE,
    ORIENTATION,
    SMALL,
    TONES,
    WEATHER,
)
from gapscope.data.modifications.levels import look_up

Array = np.ndarray
LEVELS = np.arange(256)
# Shares of the pixels that a stretch of the contrast takes for black and for white.
BLACK, WHITE = 0.01, 0.99


class Inverse(NamedTuple):
    """What is done, in words, and the function that does it to an image at one of some strengths."""

    words: str
    change: Callable[[Array, float], Array]
    strengths: tuple[float, ...]


def scaled(image: Array, factor: float) -> Array:
    """All levels times a factor."""
    return look_up(image, factor * LEVELS)


def balanced(image: Array, share: float) -> Array:
    """A share of the way to channels with the same mean (the grey-world assumption, Buchsbaum 1980)."""
    means = image.reshape(-1, 3).mean(axis=0) + 1
    return look_up(image, (1 + share * (means.mean() / means - 1))[:, None] * LEVELS)


def stretched(image: Array, share: float) -> Array:
    """A share of the way to levels that reach from black to white."""
    low, high = np.quantile(image, (BLACK, WHITE))
    whole = (LEVELS - low) * 255 / max(high - low, 1)
    return look_up(image, LEVELS + share * (whole - LEVELS))


def sharpened(image: Array, radius: float) -> Array:
    """An unsharp mask of one and a half times what a Gaussian of that radius takes away."""
    return np.array(Image.fromarray(image).filter(ImageFilter.UnsharpMask(radius, 150, 0)))


def smoothed(image: Array, side: float) -> Array:
    """The median of squares of so many pixels."""
    return np.array(Image.fromarray(image).filter(ImageFilter.MedianFilter(int(side))))


def middle(image: Array, share: float) -> Array:
    """The middle, a share of each side."""
    height, width = (max(1, round(share * side)) for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def turned(image: Array, quarters: float) -> Array:
    """By so many quarters to the left."""
    return np.ascontiguousarray(np.rot90(image, int(quarters)))


def mirrored(image: Array, _strength: float) -> Array:
    """Left and right exchanged."""
    return np.ascontiguousarray(image[:, ::-1])


def negative(image: Array, _strength: float) -> Array:
    """Light and dark exchanged."""
    return 255 - image


BRIGHTEN = Inverse("brighten the images", scaled, (1.3, 1.7, 2.3, 3.2, 4.5))
BALANCE = Inverse("balance the colours of the images", balanced, (0.3, 0.6, 1.0))
STRETCH = Inverse("stretch the contrast of the images", stretched, (0.3, 0.6, 1.0))
SHARPEN = Inverse("sharpen the images", sharpened, (1.0, 2.0, 4.0))
INVERSES: dict[str, tuple[Inverse, ...]] = {
    DARK: (BRIGHTEN, STRETCH),
    BRIGHT: (Inverse("darken the images", scaled, (0.85, 0.7, 0.55)),),
    COLOUR: (BALANCE,),
    TONES: (STRETCH,),
    WEATHER: (STRETCH,),
    BLUR: (SHARPEN,),
    SMALL: (SHARPEN,),
    NOISE: (Inverse("denoise the images by a median", smoothed, (3.0, 5.0)),),
    GEOMETRY: (Inverse("crop the images to their middle", middle, (0.85, 0.7, 0.5)),),
    ORIENTATION: (
        Inverse("turn the images to the left by quarters", turned, (1.0, 2.0, 3.0)),
        Inverse("mirror the images", mirrored, (1.0,)),
    ),
    NEGATIVE: (Inverse("invert the images", negative, (1.0,)),),
}

"""How much colour an image has, and which; all but colourfulness stay what they are when the light changes."""

import numpy as np

from gapscope.attributes.attribute import Attribute
from gapscope.attributes.photograph import Photograph


def saturation(photograph: Photograph) -> float:
    """Mean saturation of HSV, ``(max - min) / max`` of a pixel's channels; 0 for a black pixel."""
    return photograph.colours.saturation / photograph.pixels


def colourfulness(photograph: Photograph) -> float:
    """Hasler and Süsstrunk (2003), "Measuring colourfulness in natural images": of the opponent colours, the standard
    deviation and 0.3 times the mean; 0 for a grey image.
    """
    n, sums = photograph.pixels, photograph.colours
    means = np.array([sums.across, sums.along]) / n
    variances = np.maximum(np.array([sums.across_squared, sums.along_squared]) / n - means**2, 0)
    return float(np.sqrt(variances.sum()) + 0.3 * np.linalg.norm(means))


def _cast(photograph: Photograph, weights: tuple[float, float, float]) -> float:
    sums = photograph.colours
    channels = np.array([sums.red, sums.green, sums.blue])
    return float(100 * (channels @ weights) / channels.sum()) if channels.any() else 0.0


def warmth(photograph: Photograph) -> float:
    """``(R - B) / (R + G + B)`` of the mean colour, in percent."""
    return _cast(photograph, (1, 0, -1))


def tint(photograph: Photograph) -> float:
    """``(G - (R + B) / 2) / (R + G + B)`` of the mean colour, in percent."""
    return _cast(photograph, (-0.5, 1, -0.5))


def grey(photograph: Photograph) -> float:
    """Share of the pixels whose channels differ by at most 8 levels."""
    return photograph.colours.grey / photograph.pixels


SATURATION = Attribute("saturation", "", "more saturated", "less saturated", saturation)
COLOURFULNESS = Attribute("colourfulness", "", "more colourful", "less colourful", colourfulness)
WARMTH = Attribute("warmth", "%", "warmer in colour", "cooler in colour", warmth)
TINT = Attribute("tint", "%", "greener", "more magenta", tint)
GREY = Attribute("share of grey pixels", "", "greyer", "less grey", grey)

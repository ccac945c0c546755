"""How light and dark an image is: attributes of the histogram of its luminance, whose levels go from 0 to 255."""

import numpy as np

from gapscope.attributes.attribute import Attribute
from gapscope.attributes.photograph import Photograph

LEVELS = np.arange(256)
GREY_LEVELS = "grey levels"


def mean(photograph: Photograph) -> float:
    """Mean luminance."""
    return float(photograph.histogram @ LEVELS) / photograph.pixels


def spread(photograph: Photograph) -> float:
    """Standard deviation of the luminance (RMS contrast, Peli 1990); the same for the negative of an image."""
    return float(np.sqrt(photograph.histogram @ (LEVELS - mean(photograph)) ** 2 / photograph.pixels))


def quantile(photograph: Photograph, share: float) -> float:
    """The least level that a share of the pixels does not exceed."""
    return float(np.searchsorted(photograph.histogram.cumsum(), share * photograph.pixels))


def entropy(photograph: Photograph) -> float:
    """Shannon entropy of the luminance, 0 for one level and 8 for all 256 alike; the same however pixels are moved."""
    shares = photograph.histogram[photograph.histogram > 0] / photograph.pixels
    return float(max(-(shares * np.log2(shares)).sum(), 0.0))


LUMINANCE = Attribute("luminance", GREY_LEVELS, "brighter", "darker", mean)
LOW = Attribute("luminance of the shadows", GREY_LEVELS, "lighter in the shadows", "darker in the shadows",
                lambda photograph: quantile(photograph, 0.05))  # fmt: skip
HIGH = Attribute("luminance of the highlights", GREY_LEVELS, "lighter in the highlights", "darker in the highlights",
                 lambda photograph: quantile(photograph, 0.95))  # fmt: skip
CONTRAST = Attribute("contrast", GREY_LEVELS, "richer in contrast", "poorer in contrast", spread)
ENTROPY = Attribute("entropy of the luminance", "bits", "richer in tones", "poorer in tones", entropy)

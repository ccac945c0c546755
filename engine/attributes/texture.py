"""How fine the structure of an image is: attributes of the differences between neighbouring pixels' luminance."""

import numpy as np

from gapscope.attributes.attribute import Attribute
from gapscope.attributes.photograph import Photograph
from gapscope.attributes.tones import GREY_LEVELS, spread

# The median of the absolute value of a standard Gaussian number.
GAUSSIAN_MEDIAN = 0.6745
# Levels by which a row or column may vary that is called flat.
FLAT_LEVELS = 6


def sharpness(photograph: Photograph) -> float:
    """Standard deviation of the Laplacian (four neighbours); 0 for a ramp. Pech-Pacheco et al. (2000)."""
    steps = photograph.steps
    if not steps.inner:
        return float("nan")
    mean = steps.laplacian / steps.inner
    return float(np.sqrt(max(steps.laplacian_squared / steps.inner - mean**2, 0.0)))


def high_frequencies(photograph: Photograph) -> float:
    """Mean squared difference of neighbours over twice the variance: 1 for white noise, near 0 for a smooth image.

    It does not depend on how light an image is, nor on its contrast.
    """
    variance = spread(photograph) ** 2
    steps = photograph.steps
    return float(steps.squared / steps.pairs / (2 * variance)) if variance and steps.pairs else 0.0


def noise(photograph: Photograph) -> float:
    """Standard deviation of white noise, by the median absolute diagonal detail of two by two pixels (Donoho and
    Johnstone 1994): edges, which are few, do not count, nor do ramps.
    """
    counts = photograph.diagonals
    total = counts.sum()
    if not total:
        return float("nan")
    before = np.concatenate([[0], counts.cumsum()])
    level = int(np.searchsorted(before[1:], total / 2))
    # A difference is a whole number that stands for those half a level around it; zero has one side only.
    low, width = (level - 0.5, 1.0) if level else (0.0, 0.5)
    median = low + width * (total / 2 - before[level]) / counts[level]
    return float(median / 2 / GAUSSIAN_MEDIAN) if level or counts[0] < total else 0.0


def edges(photograph: Photograph) -> float:
    """Share of the pixels that differ by 24 levels or more from the right and the lower one together."""
    return photograph.steps.edges / photograph.steps.pixels


def blockiness(photograph: Photograph) -> float:
    """Mean step between the squares of 8 pixels that JPEG codes apart over the mean step within them; 1 where they do
    not show. It needs the image as it is stored: resizing moves the squares.
    """
    steps = photograph.steps
    if not steps.between_pairs or not steps.within_pairs:
        return float("nan")
    between, within = steps.between / steps.between_pairs, steps.within / steps.within_pairs
    return float((between + 0.1) / (within + 0.1))  # a tenth of a level, so that a flat image has 1


def flat_border(photograph: Photograph) -> float:
    """Share of the image that flat rows and columns around it take."""
    luma = photograph.luma
    left = np.prod([_inside(luma.max(axis) - luma.min(axis) > FLAT_LEVELS) for axis in (0, 1)])
    return float(1 - left)


def _inside(varies: np.ndarray) -> float:
    """The share of a side from the first to the last place that varies."""
    places = np.flatnonzero(varies)
    return (places[-1] - places[0] + 1) / len(varies) if len(places) else 0.0


SHARPNESS = Attribute("sharpness", GREY_LEVELS, "sharper", "less sharp", sharpness)
HIGH_FREQUENCIES = Attribute("share of high frequencies", "", "finer in structure", "coarser in structure",
                             high_frequencies)  # fmt: skip
NOISE = Attribute("noise", GREY_LEVELS, "noisier", "less noisy", noise)
EDGES = Attribute("share of edges", "", "richer in edges", "poorer in edges", edges)
BLOCKINESS = Attribute("blockiness", "", "more blocky", "less blocky", blockiness)
FLAT_BORDER = Attribute("share of a flat border", "", "more widely framed by a flat border",
                        "less widely framed by a flat border", flat_border)  # fmt: skip

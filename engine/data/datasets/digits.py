"""Digits: 1,797 grey images of 8 × 8 that come with scikit-learn, for trying things out without any download."""

from pathlib import Path

import numpy as np
from gapscope.data.dataset import Dataset, Options, Recipe, SplitByRule
from gapscope.data.source import Listing
from gapscope.data.sources.arrays import ArraySource

FRACTIONS = {"train": 0.8, "test": 0.2}
LEVELS = 16


def load() -> ArraySource:
    """All digits; their levels 0…16 become 0…255."""
    from sklearn.datasets import load_digits  # here, so that the catalogue lists digits without loading scikit-learn

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / LEVELS)).astype(np.uint8)
    names = [f"digits/{index:04d}" for index in range(len(pixels))]
    return ArraySource(pixels, Listing(names, digits.target.astype(np.int32), [str(digit) for digit in range(10)]))


def open_digits(place: Path, options: Options) -> Dataset:
    """The splits ``train`` and ``test`` by rule."""
    rule = SplitByRule(load, options.seed, FRACTIONS)
    return Dataset("digits", "embedded", rule.openers(), companions=("digits-night",), notes=(rule.note(),))


DIGITS = Recipe(
    name="digits",
    looked_for=(),
    how_to_get="nothing to get: scikit-learn brings it along",
    find=lambda folder: None,
    open=open_digits,
    companions=("digits-night",),
    embedded=True,
)

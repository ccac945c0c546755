"""Digits: 1,797 grey images of 8 × 8 that come with scikit-learn, for trying things out without any download."""

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from gapscope.data.dataset import EMBEDDED, Dataset, Options, Recipe, SplitByRule
from gapscope.data.source import Listing
from gapscope.data.sources.arrays import ArraySource

FRACTIONS = {"train": 0.8, "test": 0.2}
LEVELS = 16


def load() -> ArraySource:
    """All digits; their levels 0…16 become 0…255."""
    *pixels, label = _columns()
    images = np.rint(np.stack(pixels, axis=1) * (255 / LEVELS)).astype(np.uint8).reshape(-1, 8, 8)
    names = [f"digits/{index:04d}" for index in range(len(images))]
    return ArraySource(images, Listing(names, label.astype(np.int32), [str(digit) for digit in range(10)]))


def _columns() -> np.ndarray:
    """The 64 pixels and the label of each digit, read from scikit-learn's file: importing it takes a second."""
    (folder,) = find_spec("sklearn").submodule_search_locations
    with gzip.open(Path(folder) / "datasets" / "data" / "digits.csv.gz", "rt") as file:
        return np.array([line.split(",") for line in file], np.float64).T


def open_digits(place: Path, options: Options) -> Dataset:
    """The splits ``train`` and ``test`` by rule."""
    return rule_of(options.seed).dataset("digits", EMBEDDED, companions=("digits-night",))


@cache
def rule_of(seed: int) -> SplitByRule:
    """The rule that splits them, which looks for copies once a process."""
    return SplitByRule(load, seed, FRACTIONS)


DIGITS = Recipe(
    name="digits",
    looked_for=(),
    how_to_get="nothing to get: scikit-learn brings it along",
    find=lambda folder: None,
    open=open_digits,
    companions=("digits-night",),
    embedded=True,
)

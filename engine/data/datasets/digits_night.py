"""Digits by night: the test digits, darker and noisier, to see what a shift does without any download."""

from functools import partial
from pathlib import Path

import numpy as np

from gapscope.core.random import stream
from gapscope.data.dataset import EMBEDDED, Dataset, Options, Recipe
from gapscope.data.datasets.digits import load, rule_of
from gapscope.data.sources.arrays import ArraySource
from gapscope.data.sources.subset import Subset

EXPOSURE = 0.45
NOISE_LEVELS = 24


def load_by_night() -> ArraySource:
    """All digits at `EXPOSURE` of their light, with Gaussian noise of `NOISE_LEVELS` of 255; the same on every call."""
    day = load()
    noise = stream(0, "digits-night").normal(0, NOISE_LEVELS, day.pixels.shape)
    pixels = np.clip(np.rint(day.pixels * EXPOSURE + noise), 0, 255).astype(np.uint8)
    return ArraySource(pixels, day.listing)


def open_digits_night(place: Path, options: Options) -> Dataset:
    """One split, ``test``: the images that are in the test split of the digits by the same seed."""
    return Dataset(
        "digits-night",
        EMBEDDED,
        {"test": partial(_test_part, options.seed)},
        companion_of="digits",
        notes=(f"the test digits at {EXPOSURE:.0%} of their light, with noise",),
    )


def _test_part(seed: int) -> Subset:
    chosen = rule_of(seed).rows("test")
    return Subset.of(load_by_night(), chosen)


DIGITS_NIGHT = Recipe(
    name="digits-night",
    looked_for=(),
    how_to_get="nothing to get: it is made from scikit-learn's digits",
    find=lambda folder: None,
    open=open_digits_night,
    companion_of="digits",
    embedded=True,
)

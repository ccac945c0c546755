"""The sets of a study: the images as they are and as each modification leaves them."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from gapscope.cnn.presets import PRESETS
from gapscope.core.errors import InputError, unknown_name
from gapscope.data.catalogue import open_dataset
from gapscope.data.dataset import Dataset
from gapscope.data.datasets import DATASETS
from gapscope.data.modifications.modification import parse
from gapscope.data.modified import SEPARATOR
from gapscope.data.source import Source, Undecodable
from gapscope.jobs.study_modifications.config import StudyModificationsConfig

ORIGINAL = "original"
# Images that the page shows of each set.
SAMPLES = 8


class Modified(NamedTuple):
    """A set of the study: what the page calls it, under which name it is opened, and what is opened then."""

    name: str
    asked: str
    dataset: Dataset


def sets_of(config: StudyModificationsConfig) -> list[Modified]:
    """The original images, then those of each modification.

    Raises
    ------
    InputError
        The dataset is not there or lacks a split, or a modification is unknown.
    """
    asked = _asked(config)
    names = ["", *modifications_of(config.modify)]
    found = [_set(config, name, f"{asked}{SEPARATOR}{name}" if name else asked) for name in names]
    for split in (config.split, config.test_split):
        found[0].dataset.source(split)
    if config.split == config.test_split:
        raise InputError(f"--split and --test-split are both {config.split}; test on images that are not learnt from")
    return found


def _asked(config: StudyModificationsConfig) -> str:
    """The name of the original images, which workers in other folders understand too."""
    if config.preset and config.preset not in PRESETS:
        raise unknown_name("preset", config.preset, PRESETS)
    preset = PRESETS[config.preset].options if config.preset else {}
    name = config.dataset or preset.get("dataset", "")
    if not name:
        raise InputError("nothing to learn from; name images with --dataset NAME or PATH, or a training with --preset")
    if name not in DATASETS and Path(name).expanduser().exists():
        name = str(Path(name).expanduser().absolute())
    if config.rows < 0:
        raise InputError(f"--rows is {config.rows}; give a number of images, or 0 for all")
    return f"{name}@{config.rows}" if config.rows else name


def modifications_of(text: str) -> list[str]:
    """The modifications between the commas, spelled out; those that a plus joins stay together.

    >>> modifications_of("night, blur:2+fog")
    ['night:3', 'blur:2+fog:3']
    """
    parts = [part for part in text.split(",") if part.strip()]
    found = [SEPARATOR.join(str(one) for piece in part.split(SEPARATOR) for one in parse(piece)) for part in parts]
    if not found:
        raise InputError("--modify names no modification; wanted for example night:3,blur:3")
    return list(dict.fromkeys(found))


def _set(config: StudyModificationsConfig, name: str, asked: str) -> Modified:
    dataset = open_dataset(asked, config.data_root, classes=config.classes, labels=config.labels, seed=config.seed)
    return Modified(name or ORIGINAL, asked, dataset)


def samples(sets: Sequence[Modified], split: str) -> tuple[list[str], dict[str, list[np.ndarray]]]:
    """Classes of a few test images, and these images in each set, ``(h, w, 3) uint8``."""
    sources = [one.dataset.source(split) for one in sets]
    rows = _rows(sources[0])
    names = [sources[0].listing.class_names[sources[0].listing.labels[row]] for row in rows]
    pictures = {
        one.name: [np.array(source.image(row)) for row in rows] for one, source in zip(sets, sources, strict=True)
    }
    return names, pictures


def _rows(source: Source) -> list[int]:
    """The first image of each class that can be decoded, of up to `SAMPLES` classes."""
    labels, found = source.listing.labels, []
    for label in np.unique(labels[labels >= 0]).tolist():
        rows = np.flatnonzero(labels == label).tolist()
        found += islice((row for row in rows if _decodes(source, row)), 1)
        if len(found) == SAMPLES:
            break
    return found


def _decodes(source: Source, row: int) -> bool:
    try:
        source.image(row)
    except Undecodable:
        return False
    return True

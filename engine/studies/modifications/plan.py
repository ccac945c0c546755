"""What a study of modifications trains and tests on: the sets, and the trainings."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from gapscope.core.errors import InputError, unknown_name
from gapscope.data.catalogue import open_dataset
from gapscope.data.dataset import Dataset
from gapscope.data.modifications.modification import parse
from gapscope.data.modified import SEPARATOR
from gapscope.data.source import Source, Undecodable
from gapscope.studies.modifications.predictions import SetName, TrainingPredictions, read_predictions
from gapscope.studies.modifications.robustness import MIXED
from gapscope.studies.trainings import Options, Training, mark_of, training_of

ORIGINAL = "original"
# Images that the page shows of each set.
SAMPLES = 8


class ModifiedSet(NamedTuple):
    """A set of the study: what the page calls it, the name under which it is opened, and the dataset."""

    name: str
    opened_as: str
    dataset: Dataset


def modified_sets(
    dataset: str, modify: str, split: str, test_split: str, opening: Mapping[str, Any]
) -> list[ModifiedSet]:
    """The original images, then those of each modification; `opening` are options of `open_dataset`.

    Raises
    ------
    InputError
        The dataset is not there or lacks a split, or a modification is unknown.
    """
    names = ["", *modifications_of(modify)]
    spelled = [f"{dataset}{SEPARATOR}{name}" if name else dataset for name in names]
    opened = [open_dataset(one, **opening) for one in spelled]
    for one in (split, test_split):
        opened[0].source(one)
    if opened[0].called(split) == opened[0].called(test_split):
        raise InputError(f"--split and --test-split are both {split}; test on images that are not trained on")
    return [ModifiedSet(name or ORIGINAL, *rest) for name, *rest in zip(names, spelled, opened, strict=True)]


def modifications_of(text: str) -> list[str]:
    """The modifications between the commas, spelled out; those that a plus joins stay together.

    >>> modifications_of("night, blur:2+fog")
    ['night:3', 'blur:2+fog:3']
    """
    parts = [part for part in text.split(",") if part.strip()]
    named = [SEPARATOR.join(str(one) for piece in part.split(SEPARATOR) for one in parse(piece)) for part in parts]
    if not named:
        raise InputError("--modify names no modification; wanted for example night:3,blur:3")
    return list(dict.fromkeys(named))


def trainings_of(
    sets: Sequence[ModifiedSet], options: Options, splits: tuple[str, str], also: Sequence[str]
) -> list[Training]:
    """The training on each of the `sets`, the original first, then those of `also`.

    All seeds of a training are one run: they read the same images, decoded once.

    Parameters
    ----------
    options
        Those that all trainings have.
    splits
        To train and to test on.

    Raises
    ------
    InputError
        `also` names no training, or one that cannot be.
    """
    shared = {**options, "evaluate": tuple(f"{one.opened_as}/{splits[1]}" for one in sets)}
    return [
        *(_training(sets, one, one.name, {**shared, "modify": ""}, splits) for one in sets),
        *(_training(sets, sets[0], name, shared | _mixed(sets, name), splits) for name in also),
    ]


def _training(
    sets: Sequence[ModifiedSet], train: ModifiedSet, name: str, options: Options, splits: tuple[str, str]
) -> Training:
    whole = {**options, "dataset": train.opened_as}
    return training_of(sets[0].dataset.name, name, whole, mark_of(whole, train.dataset, splits))


def _mixed(sets: Sequence[ModifiedSet], name: str) -> dict[str, Any]:
    """The options by which the original and all modifications are seen equally often."""
    if name != MIXED:
        raise unknown_name("further training", name, (MIXED,))
    modifications = [one.name for one in sets[1:]]
    joined = [one for one in modifications if SEPARATOR in one]
    if joined:
        raise InputError(
            f"--also {MIXED} puts an image through one modification, and {joined[0]} is two; leave out one of them"
        )
    return {"modify": ",".join(modifications), "modify_probability": round(len(modifications) / len(sets), 4)}


def predictions_of(
    sets: Sequence[ModifiedSet], trainings: Sequence[Training], splits: tuple[str, str]
) -> TrainingPredictions:
    """What the finished trainings predict for all sets."""
    datasets = {one.name: one.dataset.name for one in sets}
    trained_on = [SetName(one.name, datasets.get(one.name, sets[0].dataset.name), splits[0]) for one in trainings]
    tests = [SetName(name, dataset, splits[1]) for name, dataset in datasets.items()]
    return read_predictions([one.place for one in trainings], trained_on, tests)


def samples(sets: Sequence[ModifiedSet], split: str) -> tuple[list[str], dict[str, list[np.ndarray]]]:
    """Classes of a few test images, and these images in each set, ``(h, w, 3) uint8``."""
    sources = [one.dataset.source(split) for one in sets]
    rows = _rows(sources[0])
    names = [sources[0].listing.class_names[sources[0].listing.labels[row]] for row in rows]
    images = [[np.array(source.image(row)) for row in rows] for source in sources]
    return names, dict(zip((one.name for one in sets), images, strict=True))


def _rows(source: Source) -> list[int]:
    """The first image of each class that can be decoded, of up to `SAMPLES` classes."""
    labels = source.listing.labels
    by_class = (np.flatnonzero(labels == label).tolist() for label in np.unique(labels[labels >= 0]))
    decoded = (next((row for row in rows if _decodes(source, row)), None) for rows in by_class)
    return list(islice((row for row in decoded if row is not None), SAMPLES))


def _decodes(source: Source, row: int) -> bool:
    try:
        source.image(row)
    except Undecodable:
        return False
    return True

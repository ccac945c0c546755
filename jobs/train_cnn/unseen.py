"""The sets that a network is evaluated on, checked before it begins to learn."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from engine.core.errors import InputError
from engine.data.catalogue import companions_of, open_dataset
from engine.data.dataset import Dataset
from engine.data.modified import SEPARATOR
from engine.data.source import Source
from engine.evaluate import align_classes
from engine.store.workspace import slug
from jobs.train_cnn.config import TrainCnnConfig


class Unseen(NamedTuple):
    """A split to evaluate on.

    Attributes
    ----------
    classes : (c,) int64
        The model's class index for each of the split's classes.
    note
        What has to be said about its classes.
    """

    dataset: str
    split: str
    source: Source
    classes: np.ndarray
    note: str

    @property
    def name(self) -> str:
        """As ``dataset/split``."""
        return f"{self.dataset}/{self.split}"

    @property
    def folder(self) -> str:
        """What its predictions and figures are called."""
        return slug(f"{self.dataset}-{self.split}")


def opened_dataset(config: TrainCnnConfig, name: str) -> Dataset:
    """A dataset with the options that the user gives for all of them."""
    options = {"classes": config.classes, "labels": config.labels, "seed": config.seed, "workspace": config.workspace}
    return open_dataset(name, config.data_root, **options)


def unseen_sets(config: TrainCnnConfig, dataset: Dataset, source: Source) -> list[Unseen]:
    """Those that are asked for, else the other splits and those of companion datasets that are there.

    Parameters
    ----------
    dataset, source
        What is learnt from.

    Raises
    ------
    InputError
        One has classes that are not learnt, or images that are; or the results would call two of them the same.
    """
    sets = _asked(config, dataset, source) if config.evaluate_on else _usual(config, dataset)
    found, taken = [], {slug(f"{dataset.name}-{config.split}"): f"{dataset.name}/{config.split}"}
    for one, split in sets:
        other = one.source(split)
        where = f"{one.name}/{split}"
        classes, note = _aligned(source, other, where)
        found.append(Unseen(one.name, split, other, classes, note))
        if found[-1].folder in taken:
            raise InputError(
                f"{taken[found[-1].folder]} and {where} would have one name in the results; rename the folder of one"
            )
        taken[found[-1].folder] = where
    return found


def _aligned(source: Source, other: Source, where: str) -> tuple[np.ndarray, str]:
    if not other.listing.class_names:
        return np.empty(0, np.int64), ""
    return align_classes(source.listing.class_names, other.listing.class_names, where)


def _usual(config: TrainCnnConfig, dataset: Dataset) -> Iterator[tuple[Dataset, str]]:
    yield from ((dataset, split) for split in dataset.splits if split != config.split)
    for name in companions_of(config.dataset):
        try:
            companion = opened_dataset(config, name)
        except InputError:
            continue  # it is not on this machine
        yield from ((companion, split) for split in companion.splits)


def _asked(config: TrainCnnConfig, dataset: Dataset, source: Source) -> Iterator[tuple[Dataset, str]]:
    learnt = source.listing.fingerprint()
    for name in dict.fromkeys(config.evaluate_on):
        place, _, split = name.rpartition("/")
        if not place:
            raise InputError(f"--evaluate-on {name} names no split; write it as dataset/split, such as {name}/test")
        found = dataset if place == config.dataset else opened_dataset(config, place)
        if _plain(found) == _plain(dataset) and found.source(split).listing.fingerprint() == learnt:
            raise InputError(
                f"--evaluate-on {name} names the images that are learnt from; name another split, such as "
                f"{place}/{_another(dataset, config.split)}: accuracy on training images is in the results anyway"
            )
        yield found, split


def _plain(dataset: Dataset) -> str:
    """The name of the dataset whose images these are, before anything that they are seen through."""
    return dataset.name.partition(SEPARATOR)[0]


def _another(dataset: Dataset, split: str) -> str:
    return next((other for other in reversed(dataset.splits) if other != split), "test")

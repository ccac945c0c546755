"""The sets that the networks of a run were evaluated on, to evaluate them on again."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from engine.core.errors import InputError
from engine.data.catalogue import companions_of
from engine.data.dataset import Dataset
from engine.data.source import Source
from engine.evaluate import align_classes
from engine.store.workspace import slug
from jobs.folder import PREDICTIONS
from jobs.refit_head.origin import Origin


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
        """What its predictions are called."""
        return slug(f"{self.dataset}-{self.split}")


def unseen_sets(origin: Origin) -> list[Unseen]:
    """Those that the run has predicted, opened as it did.

    Raises
    ------
    InputError
        One is not there any more.
    """
    wanted = (origin.networks[0].folder / PREDICTIONS).names()
    found: dict[str, Unseen] = {}
    for dataset, split in _candidates(origin):
        called = slug(f"{dataset.name}-{split}")
        if called in wanted and called not in found:
            found[called] = _opened(origin, dataset, split)
    missing = [one for one in wanted if one not in found]
    if missing:
        raise InputError(
            f"{origin.place.name} was evaluated on {', '.join(missing)}, not found under {origin.data_root}; give the "
            "folder of the datasets with --data-root"
        )
    return [found[one] for one in wanted]


def _candidates(origin: Origin) -> Iterator[tuple[Dataset, str]]:
    """Every split of every dataset that the run may have been evaluated on and that is there."""
    asked = [name.rpartition("/")[0] for name in origin.options["evaluate_on"]]
    usual = [origin.options["dataset"], *companions_of(origin.options["dataset"])]
    for name in dict.fromkeys(asked or usual):
        try:
            dataset = origin.opened(name)
        except InputError:
            continue  # `unseen_sets` says what is missing, if it was used
        yield from ((dataset, split) for split in dataset.splits)


def _opened(origin: Origin, dataset: Dataset, split: str) -> Unseen:
    source, where = dataset.source(split), f"{dataset.name}/{split}"
    if not source.listing.class_names:
        return Unseen(dataset.name, split, source, np.empty(0, np.int64), "")
    known = origin.source.listing.class_names
    return Unseen(dataset.name, split, source, *align_classes(known, source.listing.class_names, where))

"""Which images a network learns from and which it is watched on; test images take no part."""

from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.data.source import Listing
from gapscope.data.splits import split_indices

TRAIN, VALIDATION = "train", "validation"


class Division(NamedTuple):
    """Rows of the training split, ``(n,) int64`` each, sorted.

    Attributes
    ----------
    validation
        Empty where everything is trained on.
    unwatched
        Names of classes that are not validated on although others are, because their single image is trained on.
    """

    train: np.ndarray
    validation: np.ndarray
    unwatched: tuple[str, ...] = ()


def divide(listing: Listing, usable: np.ndarray, share: float, seed: int, name: str) -> Division:
    """The `usable` rows of the split `name`, a `share` of each class for validation; decided by the names and `seed`.

    A class of one image is trained on; one of several has an image on either side. Where some images are synthetic,
    those that their generator has not seen are validated on, whatever the `share`: all others are in its images.

    Raises
    ------
    InputError
        There are no labels, fewer than two classes, a class without images, or a generator that has seen all of them.
    """
    if not 0 <= share < 1:
        raise InputError(f"--validation is {share}; give a share of the training images from 0 to below 1, such as 0.1")
    labels = listing.labels[usable]
    check_labels(labels, listing, name)
    usable, labels = usable[labels >= 0], labels[labels >= 0]
    counts = np.bincount(labels, minlength=len(listing.class_names))
    _check_classes(counts, listing, name)
    if not share:
        return Division(usable, np.zeros(0, np.int64))
    if listing.synthesis is not None:
        return _beside_synthetic(listing, usable, name)
    single = counts[labels] == 1
    several = usable[~single]
    names = [listing.names[row] for row in several.tolist()]
    result = split_indices(names, labels[~single], {TRAIN: 1 - share, VALIDATION: share}, seed)
    train = np.sort(np.concatenate([several[result[TRAIN]], usable[single]]))
    unwatched = tuple(listing.class_names[label] for label in np.flatnonzero(counts == 1))
    return Division(train, several[result[VALIDATION]], unwatched)


def _beside_synthetic(listing: Listing, usable: np.ndarray, name: str) -> Division:
    """Synthetic images and those that they were made from to train on, the other real ones to validate on."""
    free = ~(listing.synthesis.made | listing.synthesis.learnt)[usable]
    if not free.any():
        raise InputError(
            f"the generator of the synthetic images was trained on every image of {name}, so that none is left to "
            "validate on; use --validation 0, or make the set again with `augment --validation 0.1`"
        )
    watched = np.unique(listing.labels[usable[free]])
    missing = np.setdiff1d(np.arange(len(listing.class_names)), watched)
    return Division(usable[~free], usable[free], tuple(listing.class_names[label] for label in missing))


def check_labels(labels: np.ndarray, listing: Listing, name: str) -> None:
    """Refuse images of the split `name` that nothing can be trained on, by their `labels`.

    Raises
    ------
    InputError
        There are none, or none has a label.
    """
    if not len(labels):
        raise InputError(
            f"{name} has no image that can be decoded, of {len(listing)} listed; there is nothing to train on"
        )
    if (labels < 0).all():
        raise InputError(f"{name} has no labels; put images into one folder per class or name a CSV with --labels")


def _check_classes(counts: np.ndarray, listing: Listing, name: str) -> None:
    if (counts > 0).sum() < 2:
        raise InputError(
            f"{name} has images of {int((counts > 0).sum())} class; a network needs two or more to tell apart"
        )
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        raise InputError(
            f"{name} has no image of {len(empty)} of its {len(counts)} classes, such as "
            f"{listing.class_names[empty[0]]!r}; add images, or leave them out of the folders or of --classes"
        )

"""Which images a network learns from and which it is watched on; test images take no part."""

from typing import NamedTuple

import numpy as np

from engine.core.errors import InputError
from engine.data.source import Listing
from engine.data.splits import split_indices

TRAIN, VALIDATION = "train", "validation"


class Division(NamedTuple):
    """Rows of the training split, ``(n,) int64`` each, sorted.

    Attributes
    ----------
    validation
        Empty where everything is learnt from.
    """

    train: np.ndarray
    validation: np.ndarray


def divide(listing: Listing, usable: np.ndarray, share: float, seed: int, name: str) -> Division:
    """The `usable` rows of the split `name`, a `share` of each class for validation; decided by the names and `seed`.

    Raises
    ------
    InputError
        There are no labels, fewer than two classes, a class without images, or one whose single image cannot be both
        learnt from and watched.
    """
    if not 0 <= share < 1:
        raise InputError(f"--validation is {share}; give a share of the training images from 0 to below 1, such as 0.1")
    labels = listing.labels[usable]
    _check_labels(labels, listing, name)
    usable = usable[labels >= 0]
    _check_classes(listing.labels[usable], listing, share, name)
    if not share:
        return Division(usable, np.zeros(0, np.int64))
    names = [listing.names[row] for row in usable.tolist()]
    found = split_indices(names, listing.labels[usable], {TRAIN: 1 - share, VALIDATION: share}, seed)
    return Division(usable[found[TRAIN]], usable[found[VALIDATION]])


def _check_labels(labels: np.ndarray, listing: Listing, name: str) -> None:
    if not len(labels):
        raise InputError(f"{name} has no image that can be decoded, of {len(listing)} listed; nothing can be learnt")
    if (labels < 0).all():
        raise InputError(f"{name} has no labels; put images into one folder per class or name a CSV with --labels")


def _check_classes(labels: np.ndarray, listing: Listing, share: float, name: str) -> None:
    counts = np.bincount(labels, minlength=len(listing.class_names))
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
    single = np.flatnonzero(counts == 1)
    if share and len(single):
        raise InputError(
            f"{name} has one image of {len(single)} of its {len(counts)} classes, such as "
            f"{listing.class_names[single[0]]!r}; it cannot be learnt from and validated on: add images, or use "
            "--validation 0"
        )

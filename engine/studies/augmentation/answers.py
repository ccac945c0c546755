"""What the networks of all trainings say of the same unseen images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.predictions import Predictions, matched, read_all_models

# What a training adds to the first one, which learns from the images as they are.
NOTHING, REMEDY, SYNTHETIC, BOTH = "nothing", "remedy", "synthetic", "both"
# What is done to the networks of the first one: their last layer is learnt again, on their features of the same images
# alone, or on synthetic features too.
HEAD, FEATURES = "head", "features"


class Training(NamedTuple):
    """A run with several seeds: what the study calls it, what it adds to the first, and the run's folder."""

    name: str
    kind: str
    place: Location


@dataclass(frozen=True, eq=False)
class Answers:
    """The classes that t trainings with s seeds each give to n labelled images of no training; nothing was added to the
    first.

    Attributes
    ----------
    trainings, kinds
        Names, and what each adds, t of them.
    class_names
        By class index, k of them.
    counts : (k,) int64
        Real training images of each class.
    label : (n,) int32
    predicted : (t, n, s) int32
    """

    trainings: tuple[str, ...]
    kinds: tuple[str, ...]
    class_names: tuple[str, ...]
    counts: np.ndarray
    label: np.ndarray
    predicted: np.ndarray

    @property
    def rare(self) -> np.ndarray:
        """Which classes have fewer training images than the middle one, ``(k,) bool``."""
        return self.counts < np.median(self.counts)


def read_answers(trainings: Sequence[Training], dataset: str, splits: Sequence[str], counts: np.ndarray) -> Answers:
    """The answers that are in the folders of finished runs, those to all `splits` of `dataset` one after another.

    Raises
    ------
    InputError
        A run lacks a split, has other images in it, or another number of seeds; or no image has a label.
    """
    parts = [_of_split(trainings, dataset, split) for split in splits]
    label, predicted = (np.concatenate([part[place] for part in parts], axis=place) for place in (0, 1))
    if not len(label):
        raise InputError(f"{dataset} has no labelled image in {', '.join(splits)}; the study needs labels to test on")
    names, kinds = (tuple(getattr(one, field) for one in trainings) for field in ("name", "kind"))
    return Answers(names, kinds, parts[0][2], counts, label, predicted)


def _of_split(
    trainings: Sequence[Training], dataset: str, split: str
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Labels ``(n,)``, answers ``(t, n, s)`` and class names."""
    models = [read_all_models(str(one.place), dataset=dataset, split=split) for one in trainings]
    first = models[0][0].labelled()
    answers = [_stacked(first, some) for some in models]
    reduce(_same_seeds, answers)
    return first.label, np.stack(answers), first.class_names


def _stacked(first: Predictions, models: Sequence[Predictions]) -> np.ndarray:
    """The answers of all seeds ``(n, s)`` to the images of `first`, in its order."""
    return np.stack([matched(first, one.labelled())[1].predicted for one in models], axis=1)


def _same_seeds(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    if one.shape != other.shape:
        raise InputError(f"trainings have {one.shape[1]} and {other.shape[1]} seeds; run all with the same number")
    return other

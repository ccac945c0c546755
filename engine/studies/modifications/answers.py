"""What the networks of all trainings say of all test sets, image by image."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from gapscope.core.errors import InputError
from gapscope.core.files import read_table
from gapscope.core.location import Location
from gapscope.predictions import Predictions, matched, read_all_models
from gapscope.predictions.run import RESULTS


class Training(NamedTuple):
    """A run that learnt from one set with several seeds: what the study calls the set, the run's folder, and what the
    run calls the set.
    """

    name: str
    place: Location
    dataset: str
    split: str


class Trial(NamedTuple):
    """A test set: what the study calls it, and what runs call it."""

    name: str
    dataset: str
    split: str


@dataclass(frozen=True, eq=False)
class Answers:
    """The classes that t trainings with s seeds each give to the n labelled images of m test sets.

    The test sets hold the same images, modified in different ways; the first training and the first test set are those
    of the original images.

    Attributes
    ----------
    trainings, tests
        Names, t and m of them.
    class_names
        By class index, k of them.
    label : (n,) int32
    predicted : (t, m, n, s) int32
    learnt : (t, s) float64
        Accuracy on the images that were learnt; NaN where a run does not tell it.
    """

    trainings: tuple[str, ...]
    tests: tuple[str, ...]
    class_names: tuple[str, ...]
    label: np.ndarray
    predicted: np.ndarray
    learnt: np.ndarray

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each answer is right, ``(t, m, n, s) bool``."""
        return self.predicted == self.label[:, None]

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.label)

    @property
    def seeds(self) -> int:
        """Number of trainings on each set that differ in the seed alone."""
        return self.predicted.shape[3]


def read_answers(trainings: Sequence[Training], trials: Sequence[Trial]) -> Answers:
    """The answers that are in the folders of finished runs.

    Raises
    ------
    InputError
        A run lacks a test set, has other images in it, or another number of seeds than the first.
    """
    found = [[_models(training, trial) for trial in trials] for training in trainings]
    first = found[0][0][0].labelled()
    if not first.n:
        raise InputError(f"{first.name} has no labelled image; the study needs labels on its test images")
    predicted = np.stack([np.stack([_stacked(first, models) for models in row]) for row in found])
    learnt = np.stack([_learnt(training, predicted.shape[3]) for training in trainings])
    names = (tuple(one.name for one in group) for group in (trainings, trials))
    return Answers(*names, first.class_names, first.label, predicted, learnt)


def _models(training: Training, trial: Trial) -> list[Predictions]:
    return read_all_models(str(training.place), dataset=trial.dataset, split=trial.split)


def _stacked(first: Predictions, models: Sequence[Predictions]) -> np.ndarray:
    """The answers of all seeds ``(n, s)`` to the images of `first`, in its order."""
    return np.stack([matched(first, one.labelled())[1].predicted for one in models], axis=1)


def _learnt(training: Training, seeds: int) -> np.ndarray:
    """Accuracy of each seed on the images that it learnt, as the run's results tell it."""
    table = read_table(training.place / RESULTS)
    wanted = {"dataset": training.dataset, "split": training.split, "metric": "accuracy"}
    rows = [row for row in table.to_pylist() if all(row[name] == value for name, value in wanted.items())]
    own = [row["value"] for row in rows if "mean of" not in row["model"]]
    return np.array(own if len(own) == seeds else [np.nan] * seeds)

"""What the networks of all trainings predict for all test sets, image by image."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.runs.run import Run, read_run
from gapscope.studies.predictions import predicted_classes


class SetName(NamedTuple):
    """A set: what the study calls it, and what runs call it."""

    name: str
    dataset: str
    split: str


@dataclass(frozen=True, eq=False)
class TrainingPredictions:
    """The classes that t trainings with s seeds each predict for the n labelled images of m test sets.

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
    train_accuracy : (t, s) float64
        Accuracy on the training images; NaN where a run does not say it.
    """

    trainings: tuple[str, ...]
    tests: tuple[str, ...]
    class_names: tuple[str, ...]
    label: np.ndarray
    predicted: np.ndarray
    train_accuracy: np.ndarray

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether each prediction is correct, ``(t, m, n, s) bool``."""
        return self.predicted == self.label[:, None]

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.label)

    @property
    def seeds(self) -> int:
        """Number of trainings on each set that differ in the seed alone."""
        return self.predicted.shape[3]


def read_predictions(
    places: Sequence[Location], trained_on: Sequence[SetName], tests: Sequence[SetName]
) -> TrainingPredictions:
    """The predictions that are in the folders of finished runs; ``places[i]`` was trained on ``trained_on[i]``.

    Raises
    ------
    InputError
        A run lacks a test set, has other images in it, or another number of seeds than the first.
    """
    first, classes = predicted_classes(places, tests[0].dataset, tests[0].split)
    if not first.n:
        raise InputError(f"{first.name} has no labelled image; the study needs labels on its test images")
    others = [predicted_classes(places, one.dataset, one.split, first)[1] for one in tests[1:]]
    predicted = np.stack([classes, *others], axis=1)
    pairs = zip(places, trained_on, strict=True)
    shares = np.stack([_train_accuracy(read_run(place), one, predicted.shape[3]) for place, one in pairs])
    names = (tuple(one.name for one in group) for group in (trained_on, tests))
    return TrainingPredictions(*names, first.class_names, first.label, predicted, shares)


def _train_accuracy(run: Run, trained_on: SetName, seeds: int) -> np.ndarray:
    """Accuracy of each seed on its training images, as the run's results say it."""
    wanted = {"dataset": trained_on.dataset, "split": trained_on.split, "metric": "accuracy"}
    rows = [row for row in run.results if all(row[name] == value for name, value in wanted.items())]
    own = [row["value"] for row in rows if "mean of" not in row["model"]]
    return np.array(own if len(own) == seeds else [np.nan] * seeds)

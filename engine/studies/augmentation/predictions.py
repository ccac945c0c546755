"""What the networks of all trainings predict for the same test images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gapscope.core.errors import InputError
from gapscope.studies.predictions import predicted_classes
from gapscope.studies.trainings import Training

# What a training adds to the first one, which uses the images as they are.
NOTHING, REMEDY, SYNTHETIC, BOTH = "nothing", "remedy", "synthetic", "both"
# What is done to the networks of the first one: their last layer is trained again, on their features of the same images
# alone, or on synthetic features too.
HEAD, FEATURES = "head", "features"


@dataclass(frozen=True, eq=False)
class TrainingPredictions:
    """The classes that t trainings with s seeds each predict for n labelled test images; nothing was added to the
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


def read_predictions(
    trainings: Sequence[Training], dataset: str, splits: Sequence[str], counts: np.ndarray
) -> TrainingPredictions:
    """The predictions in the folders of finished runs, those for all `splits` of `dataset` one after another.

    Raises
    ------
    InputError
        A run lacks a split, has other images in it, or another number of seeds; or no image has a label.
    """
    parts = [predicted_classes([one.place for one in trainings], dataset, split) for split in splits]
    label = np.concatenate([images.label for images, _ in parts])
    if not len(label):
        raise InputError(f"{dataset} has no labelled image in {', '.join(splits)}; the study needs labels to test on")
    names, kinds = (tuple(getattr(one, field) for one in trainings) for field in ("name", "kind"))
    predicted = np.concatenate([classes for _, classes in parts], axis=1)
    return TrainingPredictions(names, kinds, parts[0][0].class_names, counts, label, predicted)

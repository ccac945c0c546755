"""Accuracy where an image may show several classes: against a set of valid labels for each image.

References
----------
Beyer et al. (2020), "Are we done with ImageNet?": accuracy over images with a non-empty set of labels. Anzaku et al.
(2024), "Re-assessing ImageNet: how aligned is its single-label assumption with its multi-label nature?": variable top-k
and its mean over groups of images with equally many labels.
"""

from dataclasses import dataclass

import numpy as np

from gapscope.core.errors import InputError
from gapscope.predictions import Predictions
from gapscope.predictions.valid_labels import ValidLabels


@dataclass(frozen=True)
class Share:
    """`right` of `n` images whose best class is valid."""

    right: int
    n: int

    @property
    def value(self) -> float:
        """The accuracy; NaN of no image."""
        return self.right / self.n if self.n else float("nan")


@dataclass(frozen=True)
class MultiLabel:
    """Accuracies against label sets.

    Attributes
    ----------
    all, one, several
        Over all images with a valid label, those with a single one, and those with several.
    variable_top_k, asma
        Mean over images of the share of the k best classes that are valid, k being the size of their set; and the mean
        over k of the means over the images of each k. NaN where only the best class is known.
    ranked
        Images that these two rest on: those with at most as many labels as best classes are known.
    """

    all: Share
    one: Share
    several: Share
    variable_top_k: float
    asma: float
    ranked: int


def multi_label(predictions: Predictions, labels: ValidLabels) -> MultiLabel:
    """Score predictions against label sets; images with an empty set, or without one, count nowhere.

    Raises
    ------
    InputError
        No image has a label, or the sets are those of other images.
    """
    size, member, _ = labels.member(predictions)
    if not (size > 0).any():
        raise InputError("none of the predicted images has a label in the file of label sets; use the same image names")
    shares = [_share(member[:, 0], chosen) for chosen in (size > 0, size == 1, size > 1)]
    ranked = (size > 0) & (size <= member.shape[1]) & (member.shape[1] > 1)
    rank = np.arange(member.shape[1])
    share = (member & (rank < size[:, None]))[ranked].sum(axis=1) / size[ranked]
    groups = [share[size[ranked] == k].mean() for k in np.unique(size[ranked])]
    means = (float(share.mean()), float(np.mean(groups))) if groups else (float("nan"),) * 2
    return MultiLabel(*shares, *means, int(ranked.sum()))


def _share(right: np.ndarray, chosen: np.ndarray) -> Share:
    return Share(int(right[chosen].sum()), int(chosen.sum()))

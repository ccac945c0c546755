"""Accuracy where an image may show several classes: against a set of right labels for each image.

References
----------
Beyer et al. (2020), "Are we done with ImageNet?": accuracy over images with a non-empty set of labels. Anzaku et al.
(2024), "Re-assessing ImageNet: how aligned is its single-label assumption with its multi-label nature?": variable top-k
and its mean over groups of images with equally many labels.
"""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.predictions import Predictions
from gapscope.predictions.files import read_table, suffix_of
from gapscope.predictions.images import check_ids, ids_of_names

IDS, LABELS = ("sample_id", "image", "path", "id"), "labels"


@dataclass(frozen=True, eq=False)
class LabelSets:
    """The right classes of m images: those of image i are ``classes[start[i] : start[i + 1]]``.

    Attributes
    ----------
    sample_id : (m,) int64, or None
        None where the sets come in the order of the predictions.
    start : (m + 1,) int64
    classes : (total,) int64
    """

    sample_id: np.ndarray | None
    start: np.ndarray
    classes: np.ndarray

    def member(self, predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
        """For the rows of `predictions`, the size of the set ``(n,)``, 0 where the image is unknown, and whether each
        of the best classes is in it ``(n, t)``.
        """
        row = self._rows(predictions)
        sizes = np.append(np.diff(self.start), 0)
        width = 1 + max(int(self.classes.max(initial=0)), int(predictions.top.max(initial=0)))
        owner = np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))
        pairs = np.sort(owner * width + self.classes)
        asked = row[:, None] * width + predictions.top
        place = np.minimum(np.searchsorted(pairs, asked), max(len(pairs) - 1, 0))
        return sizes[row], pairs[place] == asked if len(pairs) else np.zeros(asked.shape, bool)

    def _rows(self, predictions: Predictions) -> np.ndarray:
        """The position of each image's set, one behind the last where it has none."""
        last = len(self.start) - 1
        if self.sample_id is None:
            if last != predictions.n:
                raise InputError(
                    f"there are {last:,} label sets without image names for {predictions.n:,} predictions; they must "
                    "be in the same order, or name their images"
                )
            return np.arange(last)
        order = np.argsort(self.sample_id)
        place = order[np.minimum(np.searchsorted(self.sample_id[order], predictions.sample_id), max(last - 1, 0))]
        return (
            np.where(self.sample_id[place] == predictions.sample_id, place, last)
            if last
            else np.zeros(predictions.n, int)
        )


@dataclass(frozen=True)
class MultiLabel:
    """Accuracies against label sets.

    Attributes
    ----------
    real, right, n
        Share of images whose best class is in their non-empty set, how many these are, of how many.
    variable_top_k, asma
        Mean over images of the share of the k best classes that are right, k being the size of their set; and the mean
        over k of the means over the images of each k. NaN where only the best class is known.
    ranked
        Images that these two rest on: those with at most as many labels as best classes are known.
    """

    real: float
    right: int
    n: int
    variable_top_k: float
    asma: float
    ranked: int


def multi_label(predictions: Predictions, sets: LabelSets) -> MultiLabel:
    """Score predictions against label sets; images with an empty set count nowhere.

    Raises
    ------
    InputError
        No image has a label.
    """
    size, member = sets.member(predictions)
    known = size > 0
    if not known.any():
        raise InputError("none of the predicted images has a label in the file of label sets; use the same image names")
    right = int(member[known, 0].sum())
    ranked = known & (size <= member.shape[1]) & (member.shape[1] > 1)
    rank = np.arange(member.shape[1])
    share = (member & (rank < size[:, None]))[ranked].sum(axis=1) / size[ranked]
    groups = [share[size[ranked] == k].mean() for k in np.unique(size[ranked])]
    means = (float(share.mean()), float(np.mean(groups))) if groups else (float("nan"),) * 2
    return MultiLabel(right / int(known.sum()), right, int(known.sum()), *means, int(ranked.sum()))


def read_label_sets(place: str) -> LabelSets:
    """The label sets of a JSON file, a list of lists in the order of the predictions or an object of lists by image
    name, or of a table with an image column and a column ``labels`` of lists.

    Raises
    ------
    InputError
        The file is not there or holds neither.
    """
    source = Location.of(place)
    if suffix_of(source) == ".json" and source.exists():
        result = json.loads(source.read_text())
        if isinstance(result, dict) and LABELS not in result:
            return _sets(pa.array(list(result.values())), ids_of_names(list(result)), place)
        if isinstance(result, list) and all(isinstance(one, list) for one in result):
            return _sets(pa.array(result), None, place)
    return _from_table(read_table(source), place)


def _from_table(table: pa.Table, place: str) -> LabelSets:
    identity = next((name for name in IDS if name in table.column_names), "")
    if LABELS not in table.column_names or not identity:
        raise InputError(f"{place} needs the columns image and labels, it has {', '.join(table.column_names)}")
    column = table[identity]
    names = None if pa.types.is_integer(column.type) else column.cast(pa.string()).to_pylist()
    sample_id = column.to_numpy().astype(np.int64) if names is None else ids_of_names(names)
    check_ids(sample_id, place, names)
    return _sets(table[LABELS], sample_id, place)


def _sets(column: pa.Array | pa.ChunkedArray, sample_id: np.ndarray | None, place: str) -> LabelSets:
    try:
        sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        classes = pc.list_flatten(column).cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise InputError(f"{place}: labels must be lists of class numbers: {error}") from error
    return LabelSets(sample_id, np.concatenate([[0], np.cumsum(sizes)]), classes)

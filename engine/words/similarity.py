"""How well each phrase fits each image of a set, with the labels and answers that say whether that matters."""

from dataclasses import dataclass

import numpy as np

from gapscope.core.errors import InputError
from gapscope.predictions import Predictions
from gapscope.store import EmbeddingStore, Piece
from gapscope.words.space import Space, all_vectors
from gapscope.words.texts import Texts

Array = np.ndarray
# Rows that are read of a set; rows of a store stand in random order, so these are a fair sample.
ROWS = 20_000
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Similarities:
    """Cosines of images and texts.

    Attributes
    ----------
    name
        Of the set.
    values : (n, p + m) float32
        Phrases, then nonsense.
    y : (n,)
        Labels by the reference's class index, -1 where unknown.
    right : (n,)
        1 where a model classified the image correctly, 0 where not, -1 where that is not known.
    """

    name: str
    values: Array
    y: Array
    right: Array


def similarities(
    store: EmbeddingStore, space: Space, texts: Texts, index: Array, predictions: Predictions | None
) -> Similarities:
    """Of the first `ROWS` rows of `store`; ``4 (p + m)`` bytes a row.

    Parameters
    ----------
    index : (k,)
        The reference's class index of each class of the store.
    """
    chunk = store.read(Piece(0, min(store.rows, ROWS)))
    values = space.joint(chunk.x) @ all_vectors(texts).T
    y = np.append(index, UNKNOWN)[chunk.y]
    return Similarities(store.name, values, y, _right(chunk.sample_id, predictions, store.name))


def _right(sample_id: Array, predictions: Predictions | None, name: str) -> Array:
    result = np.full(len(sample_id), UNKNOWN, np.int8)
    if predictions is None:
        return result
    order = np.argsort(predictions.sample_id)
    known = predictions.sample_id[order]
    at = np.minimum(np.searchsorted(known, sample_id), len(known) - 1)
    there = known[at] == sample_id
    if not there.any():
        raise InputError(f"the predictions of {predictions.model} are for none of the images of {name}")
    rows = order[at]
    label = predictions.label[rows]
    right = predictions.top[rows, 0] == label
    return np.where(there & (label >= 0), right, UNKNOWN).astype(np.int8)


def classified(one: Similarities, texts: Texts, group: str) -> tuple[int, int, int] | None:
    """Labelled images, those whose nearest class phrase is their class, number of classes; None without both."""
    places = [place for place, phrase in enumerate(texts.phrases) if phrase.group == group]
    known = one.y >= 0
    if len(places) < 2 or not known.any() or one.y.max() >= len(places):
        return None
    best = one.values[known][:, places].argmax(axis=1)
    return int(known.sum()), int((best == one.y[known]).sum()), len(places)

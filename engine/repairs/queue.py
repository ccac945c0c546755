"""Images that are worth a label next, in order, each with its reason: a fair sample, or those that a model doubts most.

A fair sample says how accurate a model is and chooses between repairs. Doubtful images (least margin between the two
likeliest classes, the predicted classes in turn) may teach a head more, but an accuracy that is counted on them is that
of doubtful images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import softmax

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.random import stream
from gapscope.evaluation.predict import check_finite
from gapscope.predictions import Predictions
from gapscope.probes.model import Classifier
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected
from gapscope.stream import Workers, fold

Array = np.ndarray
By = Literal["fair", "doubt"]
# Bytes of each row of a set: its id and place, sorted, and copies of both on their way.
ROW_BYTES = 80
REASONS: Mapping[str, str] = {
    "fair": "drawn at random",
    "doubt": "the model doubts it: margin {margin:.3f}",
    "unsure": "the model doubts it: confidence {confidence:.3f}",
}


class Worth(NamedTuple):
    """The first `most` rows seen so far by ascending `key`; those of disjoint row sets merge.

    Attributes
    ----------
    key : (n,) float64
    sample_id, predicted : (n,) int64
    confidence, margin : (n,) float64
        Probability of the best class, and by how much it exceeds the second; NaN where they are not known.
    """

    most: int
    key: Array
    sample_id: Array
    predicted: Array
    confidence: Array
    margin: Array

    def merge(self, other: "Worth") -> "Worth":
        """Of both row sets together."""
        return Worth(self.most, *(np.concatenate(both) for both in zip(self[1:], other[1:], strict=True))).first()

    def first(self) -> "Worth":
        """Only the first rows."""
        order = np.lexsort((self.sample_id, self.key))[: self.most]
        return Worth(self.most, *(column[order] for column in self[1:]))

    def by_class(self) -> "Worth":
        """In the order of their key, the predicted classes in turn."""
        turn = np.zeros(len(self.key), int)
        for one in np.unique(self.predicted):
            rows = self.predicted == one
            turn[rows] = np.arange(rows.sum())
        order = np.lexsort((self.key, turn))
        return Worth(self.most, *(column[order] for column in self[1:]))


@dataclass(frozen=True, eq=False)
class _WorthOf:
    """Picklable, for workers: of a chunk, without the rows that are labelled already.

    Attributes
    ----------
    rank
        All sample ids, ascending, and the place of each in the fair order; None for that of doubt.
    """

    model: Classifier
    most: int
    rank: tuple[Array, Array] | None
    labelled: Array
    name: str

    def __call__(self, chunk: Chunk) -> Worth:
        check_finite(chunk, self.name)
        chunk = chunk.take(~np.isin(chunk.sample_id, self.labelled))
        p = self.model.probabilities(chunk.x)
        return _worth(self.most, self.rank, chunk.sample_id, p.argmax(axis=1), *_margin(p))


def _margin(p: Array) -> tuple[Array, Array]:
    """The probability of the best class, and by how much it exceeds the second; ``(n,)`` each."""
    two = np.sort(p, axis=1)[:, -2:]
    return two[:, -1], two[:, -1] - two[:, 0] if p.shape[1] > 1 else np.ones(len(p))


def _worth(
    most: int, rank: tuple[Array, Array] | None, ids: Array, predicted: Array, confidence: Array, margin: Array
) -> Worth:
    """The first `most` of some rows: in the fair order, or those of the least margin, else of the least confidence."""
    doubt = np.where(np.isnan(margin), confidence, margin)
    key = doubt if rank is None else rank[1][np.searchsorted(rank[0], ids)].astype(np.float64)
    return Worth(most, key, ids, predicted, confidence, margin).first()


def queue_of(
    model: Classifier,
    store: EmbeddingStore | Selected,
    count: int,
    by: By,
    labelled: Array,
    workers: Workers,
    *,
    seed: int,
) -> Worth:
    """The `count` rows of a store that are to be labelled next; one read."""
    of = _WorthOf(model, *_order(store.sample_ids(), count, by, seed), labelled, store.name)
    return _queue(fold(store.view(), of, workers, description=f"label queue of {store.name}"), count, by)


def queue_of_predictions(known: Predictions, count: int, by: By, labelled: Array, *, seed: int) -> Worth:
    """The same of a model of which predictions alone are known.

    Raises
    ------
    InputError
        It does not say how sure it is, and images that it doubts are asked for.
    """
    if by == "doubt" and known.confidence is None:
        raise InputError(
            f"{known.model} on {known.name} has no probabilities, so that nothing says what it doubts; import them "
            "too, or draw a fair sample with --by fair"
        )
    most, rank = _order(known.sample_id, count, by, seed)
    rows = known.rows(np.flatnonzero(~np.isin(known.sample_id, labelled)))
    unknown = np.full(rows.n, np.nan)
    if rows.scores is not None:
        sure = _margin(softmax(np.asarray(rows.scores, np.float64), axis=1))
    else:
        sure = (unknown if rows.confidence is None else rows.confidence.astype(np.float64), unknown)
    return _queue(_worth(most, rank, rows.sample_id, rows.predicted.astype(np.int64), *sure), count, by)


def _order(ids: Array, count: int, by: By, seed: int) -> tuple[int, tuple[Array, Array] | None]:
    """How many rows are to be kept, and all ids, ascending, with the place of each in the fair order."""
    if by != "fair":
        return max(count, 10 * count), None
    order = np.argsort(ids)
    return count, (ids[order], stream(seed, "label queue").permutation(len(ids))[order])


def _queue(found: Worth, count: int, by: By) -> Worth:
    found = found if by == "fair" else found.by_class()
    return Worth(count, *(column[:count] for column in found[1:]))

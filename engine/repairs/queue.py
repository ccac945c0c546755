"""Images that are worth a label next, in order, each with its reason: a fair sample, or those that a model doubts most.

A fair sample says how accurate a model is and chooses between repairs. Doubtful images (least margin between the two
likeliest classes, the predicted classes in turn) may teach a head more, but an accuracy that is counted on them is that
of doubtful images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.random import stream
from gapscope.evaluation.predict import check_finite
from gapscope.probes.model import Classifier
from gapscope.store import EmbeddingStore
from gapscope.stream import Workers, fold

Array = np.ndarray
By = Literal["fair", "doubt"]
# Bytes of each row of a set: its id and place, sorted, and copies of both on their way.
ROW_BYTES = 80
REASONS: Mapping[str, str] = {"fair": "drawn at random", "doubt": "the model doubts it: margin {margin:.3f}"}


class Worth(NamedTuple):
    """The first `most` rows seen so far by ascending `key`; those of disjoint row sets merge.

    Attributes
    ----------
    key : (n,) float64
    sample_id, predicted : (n,) int64
    confidence, margin : (n,) float64
        Probability of the best class, and by how much it exceeds the second.
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
        two = np.sort(p, axis=1)[:, -2:]
        margin = two[:, -1] - two[:, 0] if p.shape[1] > 1 else np.ones(len(p))
        ids = chunk.sample_id
        key = margin if self.rank is None else self.rank[1][np.searchsorted(self.rank[0], ids)].astype(np.float64)
        return Worth(self.most, key, ids, p.argmax(axis=1), two[:, -1], margin).first()


def queue_of(
    model: Classifier, store: EmbeddingStore, count: int, by: By, labelled: Array, workers: Workers, *, seed: int
) -> Worth:
    """The `count` rows of a store that are to be labelled next; one read."""
    rank = None
    if by == "fair":
        ids = store.sample_ids()
        order = np.argsort(ids)
        rank = ids[order], stream(seed, "label queue").permutation(len(ids))[order]
    wanted = count if by == "fair" else max(count, 10 * count)
    of = _WorthOf(model, wanted, rank, labelled, store.name)
    found = fold(store.view(), of, workers, description=f"label queue of {store.name}")
    found = found if by == "fair" else found.by_class()
    return Worth(count, *(column[:count] for column in found[1:]))

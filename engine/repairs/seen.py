"""What a repair may see of a set without labels, and of the reference with them, as summaries that merge.

Rows are taken as the head of the model sees them: scaled, and of length one where the model wants it. A change of these
rows before a linear head is another linear head.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.probes.model import Classifier, scaled, unit_rows
from gapscope.remedies.fitted import check_finite
from gapscope.summaries.moments import UNLABELLED, ClassMeans, ClassMoments, Moments

Array = np.ndarray
# Of each class, so many rows that the model is surest of (T3A's M, of whose values its authors find 20 to 100 alike),
# or fewer where they would take more memory.
SUREST, SUREST_BYTES = 20, 32 * 2**20
FIRST = 2000


def prepared(model: Classifier, x: Array) -> Array:
    """The rows ``(n, d) float32`` that the head of `model` sees for the features ``x : (n, d)``."""
    x = np.asarray(x, np.float32) if model.scale == 1 else scaled(x, model.scale)
    return unit_rows(x) if model.normalised else x


def surest_rows(dim: int, classes: int) -> int:
    """How many rows of each class are kept."""
    return min(SUREST, max(1, SUREST_BYTES // (4 * classes * dim)))


class Surest(NamedTuple):
    """Of each predicted class, the rows with the lowest entropy seen so far; those of disjoint row sets merge.

    Attributes
    ----------
    entropy : (k, m) float64
        Ascending, in nats; infinity where there is no such row.
    sample_id : (k, m) int64
        Decides between rows of the same entropy.
    rows : (k, m, d) float32
    """

    entropy: Array
    sample_id: Array
    rows: Array

    @classmethod
    def of(cls, z: Array, p: Array, sample_id: Array) -> "Surest":
        """Of rows ``z : (n, d)`` with probabilities ``p : (n, k)``."""
        entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)
        guess = p.argmax(axis=1)
        k, d = p.shape[1], z.shape[1]
        m = surest_rows(d, k)
        result = cls(np.full((k, m), np.inf), np.zeros((k, m), np.int64), np.zeros((k, m, d), z.dtype))
        order = np.lexsort((sample_id, entropy))
        for c in np.unique(guess):
            best = order[guess[order] == c][:m]
            for whole, some in zip(result, (entropy, sample_id, z), strict=True):
                whole[c, : len(best)] = some[best]
        return result

    def merge(self, other: "Surest") -> "Surest":
        """Of both row sets together."""
        entropy, sample_id, rows = (np.concatenate(both, axis=1) for both in zip(self, other, strict=True))
        best = np.lexsort((sample_id, entropy), axis=1)[:, : self.entropy.shape[1]]
        at = np.arange(len(best))[:, None]
        return Surest(entropy[at, best], sample_id[at, best], rows[at, best])


class Seen(NamedTuple):
    """Rows without their labels: moments of all, means by predicted class, the rows that are surest, and the first.

    State: ``8 d (d + k) + 4 (k m + FIRST) d`` bytes, 56 MiB at 1,024 features and 1,000 classes.

    Attributes
    ----------
    first : (n, d) float32
        The first `FIRST` rows; rows stand in random order, so these are a fair sample.
    """

    moments: Moments
    guessed: ClassMeans
    surest: Surest
    first: Array

    def merge(self, other: "Seen") -> "Seen":
        """Of these rows and then those of `other`."""
        both = (mine.merge(theirs) for mine, theirs in zip(self[:3], other[:3], strict=True))
        rest = other.first[: FIRST - len(self.first)]
        return Seen(*both, np.concatenate([self.first, rest]) if len(rest) else self.first)


class Labelled(NamedTuple):
    """The reference: what is seen of it, moments by label, and which class is predicted for which.

    Attributes
    ----------
    confusion : (k, k) int64
        ``confusion[i, j]`` rows of class ``i`` were predicted as class ``j``.
    """

    seen: Seen
    classes: ClassMoments
    confusion: Array

    def merge(self, other: "Labelled") -> "Labelled":
        """Of both row sets together."""
        return Labelled(
            self.seen.merge(other.seen), self.classes.merge(other.classes), self.confusion + other.confusion
        )


@dataclass(frozen=True)
class SeenBy:
    """Picklable, for workers: `Seen` of a chunk."""

    model: Classifier

    def __call__(self, chunk: Chunk) -> Seen:
        check_finite(chunk)
        return _seen(prepared(self.model, chunk.x), self.model.probabilities(chunk.x), chunk.sample_id)


def _seen(z: Array, p: Array, sample_id: Array) -> Seen:
    """Of rows ``z : (n, d)`` as the head sees them, with probabilities ``p : (n, k)``."""
    means = ClassMeans.of(z, p.argmax(axis=1), p.shape[1])
    return Seen(Moments.of(z), means, Surest.of(z, p, sample_id), z[:FIRST].copy())


@dataclass(frozen=True)
class LabelledBy:
    """Picklable, for workers: `Labelled` of a chunk whose labels are the model's class indices."""

    model: Classifier

    def __call__(self, chunk: Chunk) -> Labelled:
        check_finite(chunk)
        z, p = prepared(self.model, chunk.x), self.model.probabilities(chunk.x)
        seen, k, known = _seen(z, p, chunk.sample_id), p.shape[1], chunk.y != UNLABELLED
        pairs = chunk.y[known].astype(np.int64) * k + p[known].argmax(axis=1)
        confusion = np.bincount(pairs, minlength=k * k).reshape(k, k)
        return Labelled(seen, ClassMoments.of(z, chunk.y, k), confusion)

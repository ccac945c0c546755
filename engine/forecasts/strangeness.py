"""How far rows lie from those of the reference: Mahalanobis' distance from their mean, with a shrunk covariance."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries import Moments
from gapscope.summaries.shrinkage import oas_share, shrunk

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Strangeness:
    """Picklable: the squared distance of rows by the moments of the reference's first half, divided by d.

    Attributes
    ----------
    mean : (d,)
    whitening : (d, d) float32
        Rows times this have the identity as covariance.
    seen : (m,) int64
        Ids of the rows that the moments are from, ascending: these lie nearer than others like them.
    """

    mean: Array
    whitening: Array
    seen: Array

    def __call__(self, chunk: Chunk) -> Array:
        """For the rows of a chunk, ``(n,) float64``; NaN for rows that were seen."""
        inside = (chunk.x - self.mean.astype(np.float32)) @ self.whitening
        away = np.einsum("nd,nd->n", inside, inside, dtype=np.float64) / inside.shape[1]
        return np.where(np.isin(chunk.sample_id, self.seen), np.nan, away)

    def anywhere(self) -> "Strangeness":
        """The same for rows of other sets, whose ids mean nothing here."""
        return Strangeness(self.mean, self.whitening, np.zeros(0, np.int64))


class _Seen(NamedTuple):
    """The moments of some rows, and their ids."""

    moments: Moments
    ids: tuple[Array, ...]

    @classmethod
    def of(cls, chunk: Chunk) -> "_Seen":
        return cls(Moments.of(chunk.x), (chunk.sample_id,))

    def merge(self, other: "_Seen") -> "_Seen":
        return _Seen(self.moments.merge(other.moments), self.ids + other.ids)


def strangeness_of(view: View, workers: Workers, progress: Progress = SILENT) -> tuple[Strangeness, Moments]:
    """By the first half of the rows of a view, whose order is random; and their moments. ``O(d³)``."""
    half = View(view.store, view.start, view.start + (view.rows + 1) // 2)
    seen = fold(half, _Seen.of, workers, progress=progress, description=f"moments of {view.store.name}")
    covariance = seen.moments.covariance(0)
    deviation = np.sqrt(np.diagonal(covariance))
    scale = np.where(deviation > 0, deviation, 1.0)
    correlation = covariance / np.outer(scale, scale)
    spread = shrunk(correlation, max(oas_share(correlation, seen.moments.n), 1e-3))
    values, vectors = np.linalg.eigh(spread)
    whitening = vectors / np.sqrt(np.maximum(values, 1e-9)) / scale[:, None]
    return Strangeness(seen.moments.mean, whitening.astype(np.float32), np.sort(np.concatenate(seen.ids))), seen.moments

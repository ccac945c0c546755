"""All rows of several sets in one common space: their moments, read in one pass over each set."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.maps.projection import Projection, principal
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries import LabelledMoments, Moments

Array = np.ndarray
# Layouts and distances see the rows in at most so many principal coordinates, as Scanpy and openTSNE's examples do.
COORDINATES = 50


class AllMoments(NamedTuple):
    """Moments of the labelled rows, by class, and of the rows without a label; both merge."""

    labelled: LabelledMoments
    unlabelled: Moments

    @classmethod
    def of(cls, chunk: Chunk, classes: int) -> "AllMoments":
        """Moments of a chunk; about ``n d²`` float64 flops."""
        with np.errstate(invalid="ignore"):  # an infinite value becomes NaN, which `_check_finite` tells
            return cls(LabelledMoments.of(chunk, classes), Moments.of(chunk.x[chunk.y < 0]))

    def merge(self, other: "AllMoments") -> "AllMoments":
        """Moments of both row sets together."""
        with np.errstate(invalid="ignore"):
            return AllMoments(self.labelled.merge(other.labelled), self.unlabelled.merge(other.unlabelled))

    @property
    def total(self) -> Moments:
        """Of all rows, labelled or not."""
        with np.errstate(invalid="ignore"):
            return self.labelled.total.merge(self.unlabelled)


@dataclass(frozen=True)
class Space:
    """Several sets with the same features and class indices.

    Attributes
    ----------
    views
        One for each set.
    counts : (v, C + 1) int64
        Rows of each set and class; those without a label stand last.
    moments
        Of all sets together.
    """

    views: Sequence[View]
    counts: Array
    moments: AllMoments

    @classmethod
    def read(cls, views: Sequence[View], workers: Workers, progress: Progress = SILENT) -> "Space":
        """One pass over each set; 8 d (d + C) bytes for each summary on its way.

        Raises
        ------
        InputError
            A feature is not finite, or there are no rows.
        """
        if not sum(view.rows for view in views):
            raise InputError(f"{', '.join(view.store.name for view in views)}: no rows, so there is nothing to map")
        classes = max(len(view.store.class_names) for view in views)
        of = partial(AllMoments.of, classes=classes)
        result = [fold(view, of, workers, progress=progress, description="moments") for view in views]
        for view, moments in zip(views, result, strict=True):
            _check_finite(view, moments.total)
        counts = [np.append(one.labelled.classes.count, one.unlabelled.n) for one in result]
        return cls(tuple(views), np.array(counts), reduce(AllMoments.merge, result))

    @cached_property
    def principal(self) -> Projection:
        """Onto the `COORDINATES` directions of largest variance of all sets together."""
        return principal(self.moments.total, COORDINATES)


def _check_finite(view: View, moments: Moments) -> None:
    bad = np.flatnonzero(~np.isfinite(np.diagonal(moments.scatter)))
    if bad.size:
        others = f", as have {bad.size - 1:,} others" if bad.size > 1 else ""
        raise InputError(
            f"feature {bad[0]} of {view.store.name} has NaN or infinite values{others}; such a row has no place on a "
            "map: extract or import the set again with bad rows rejected"
        )

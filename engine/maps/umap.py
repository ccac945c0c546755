"""UMAP of the sample; the other rows are placed among it."""

import warnings
from dataclasses import dataclass
from threading import Lock
from typing import ClassVar

import numpy as np

from gapscope.core.text import counted
from gapscope.maps.layout import beginning, neighbours_of, whole_seed
from gapscope.maps.member import NEIGHBOURS, Laid, MapOptions, check_rows
from gapscope.maps.neighbours import Neighbours
from gapscope.maps.projection import Projection
from gapscope.maps.sample import Sample
from gapscope.maps.space import Space

with warnings.catch_warnings():  # of a part of the library that is not used here
    warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
    from umap import UMAP as Library

Array = np.ndarray
LEAST = 10
# Neighbours are the first two parts of what UMAP takes; the third is an index that only its own `transform` needs.
NO_INDEX = r"precomputed_knn\[2\] \(knn_search_index\) is not an NNDescent object"
# The compiled loops of UMAP may not be entered by two threads at once.
_ALONE = Lock()


@dataclass(frozen=True)
class UmapMap:
    """The member of `MAPS`. A layout with a seed takes one thread, because threads would move points in an order of
    their own; 10,000 rows some 20 s.

    References
    ----------
    McInnes, Healy and Melville (2018), "UMAP: uniform manifold approximation and projection for dimension reduction".
    """

    sampled: ClassVar[bool] = True

    def lay(self, space: Space, sample: Sample, options: MapOptions) -> Laid:
        """See `Map.lay`."""
        check_rows("umap", sample, LEAST)
        k = min(options.neighbours, sample.rows - 1)
        by_neighbours = options.placement == NEIGHBOURS
        model = _fitted(sample.z, k, options, exact=by_neighbours)
        xy = np.ascontiguousarray(model.embedding_, np.float32)
        place = Neighbours.of(space.principal, sample.z, xy) if by_neighbours else ByUmap(space.principal, model)
        how = "on all threads, and in another way each time" if options.no_seed else "on one thread, as it has a seed"
        note = f"UMAP of {counted(sample.rows, 'row')} with {counted(k, 'neighbour')} each, {how}"
        return Laid(place, xy, (note,))


UMAP = UmapMap()


def _fitted(z: Array, k: int, options: MapOptions, *, exact: bool) -> Library:
    """The library's model; from exact neighbours, each row's own included as it wants, or from its own search."""
    known = (None, None, None)
    if exact:
        index, distance = neighbours_of(z, k - 1)
        known = (_with_itself(index, np.arange(len(z))), _with_itself(distance, 0.0), None)
    model = Library(
        n_neighbors=k,
        init=beginning(z, 1.0, options.seed).astype(np.float32),
        random_state=None if options.no_seed else whole_seed(options.seed, "umap"),
        n_jobs=options.threads if options.no_seed else 1,
        precomputed_knn=known,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", NO_INDEX)
        return model.fit(z)


def _with_itself(columns: Array, first: Array | float) -> Array:
    return np.column_stack([np.broadcast_to(first, len(columns)), columns]).astype(columns.dtype)


@dataclass(frozen=True, eq=False)
class ByUmap:
    """Places rows by the library's own `transform`, some hundreds a second.

    It optimises the rows of a chunk together and draws random numbers for them one after the other, so that a row's
    place depends a little on the others of its chunk; the same chunks give the same places. Rows that were fitted are
    found again as their own neighbours, and are not sent here.
    """

    projection: Projection
    model: Library

    def __call__(self, x: Array) -> Array:
        """Coordinates ``(n, 2) float32`` of features ``x : (n, d)``."""
        with _ALONE:
            return np.asarray(self.model.transform(self.projection(x)), np.float32)

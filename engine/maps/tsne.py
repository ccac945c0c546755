"""t-SNE of the sample, by openTSNE; the other rows are placed among it."""

from dataclasses import dataclass
from threading import Lock
from typing import ClassVar

import numpy as np
from openTSNE import TSNE as Library
from openTSNE import TSNEEmbedding
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.nearest_neighbors import PrecomputedNeighbors

from gapscope.core.text import counted
from gapscope.maps.layout import beginning, neighbours_of, whole_seed
from gapscope.maps.member import NEIGHBOURS, Laid, MapOptions, check_rows
from gapscope.maps.neighbours import Neighbours
from gapscope.maps.projection import Projection
from gapscope.maps.sample import Sample
from gapscope.maps.space import Space

Array = np.ndarray
LEAST = 10
# Neighbours that carry a perplexity, in multiples of it.
REACH = 3
SPREAD = 1e-4
# `transform` centres the layout in place before it reads it.
_ALONE = Lock()


@dataclass(frozen=True)
class TsneMap:
    """The member of `MAPS`. 10,000 rows take about a minute on one core.

    References
    ----------
    van der Maaten and Hinton (2008), "Visualizing data using t-SNE". Poličar, Stražar and Zupan (2024), "openTSNE: a
    modular Python library for t-SNE dimensionality reduction and embedding".
    """

    sampled: ClassVar[bool] = True

    def lay(self, space: Space, sample: Sample, options: MapOptions) -> Laid:
        """See `Map.lay`."""
        check_rows("tsne", sample, LEAST)
        perplexity = min(options.perplexity, (sample.rows - 1) / REACH)
        by_neighbours = options.placement == NEIGHBOURS
        layout = _fitted(sample.z, perplexity, options, exact=by_neighbours)
        xy = np.ascontiguousarray(layout, np.float32)
        place = Neighbours.of(space.principal, sample.z, xy) if by_neighbours else ByTsne(space.principal, layout)
        return Laid(place, xy, (f"t-SNE of {counted(sample.rows, 'row')} with perplexity {perplexity:.3g}",))


TSNE = TsneMap()


def _fitted(z: Array, perplexity: float, options: MapOptions, *, exact: bool) -> TSNEEmbedding:
    """The library's layout about its own middle; from exact neighbours, or from an index that finds new rows' too."""
    seed = whole_seed(options.seed, "tsne")
    common = {"perplexity": perplexity, "n_jobs": options.threads, "random_state": seed}
    if exact:
        known = neighbours_of(z, min(len(z) - 1, int(REACH * perplexity)))
        affinities = PerplexityBasedNN(knn_index=PrecomputedNeighbors(*known), **common)
    else:
        affinities = PerplexityBasedNN(z, **common)
    library = Library(initialization=beginning(z, SPREAD, options.seed), **common)
    layout = library.fit(affinities=affinities)
    layout -= (layout.max(axis=0) + layout.min(axis=0)) / 2
    return layout


@dataclass(frozen=True, eq=False)
class ByTsne:
    """Places rows by the library's own `transform`, a thousand or two a second.

    Each row is optimised against the fitted rows alone, so that the chunk it comes in has no part in it.
    """

    projection: Projection
    layout: TSNEEmbedding

    def __call__(self, x: Array) -> Array:
        """Coordinates ``(n, 2) float32`` of features ``x : (n, d)``."""
        with _ALONE:
            return np.asarray(self.layout.transform(self.projection(x)), np.float32)

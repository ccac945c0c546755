"""What every member of `MAPS` is given and hands back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from gapscope.core.errors import InputError
from gapscope.maps.sample import Sample
from gapscope.maps.space import Space

Array = np.ndarray
Place = Callable[[Array], Array]
NEIGHBOURS, LIBRARY = "neighbours", "library"
PLACEMENTS = (NEIGHBOURS, LIBRARY)


class Border(NamedTuple):
    """Where a linear model scores two classes alike: ``x @ weight + bias = 0``, positive on the first one's side.

    Attributes
    ----------
    weight : (d,) float64
    bias
        In units of the scores.
    """

    weight: Array
    bias: float


@dataclass(frozen=True)
class MapOptions:
    """What a user may choose.

    Attributes
    ----------
    neighbours
        Of UMAP's graph.
    perplexity
        Of t-SNE.
    placement
        How rows that were not fitted are placed: one of `PLACEMENTS`.
    classes
        Indices of the two that `head` separates.
    border
        Of a model between these two; from the rows themselves where there is none.
    seed
        Decides the layout of `umap` and `tsne`.
    threads
        For the layout of `tsne` and of a UMAP without a seed; a seeded one always works on one.
    no_seed
        Whether UMAP is laid out on all threads, in another way each time.
    """

    neighbours: int = 15
    perplexity: float = 30.0
    placement: str = NEIGHBOURS
    classes: tuple[int, int] | None = None
    border: Border | None = None
    seed: int = 0
    threads: int = 1
    no_seed: bool = False


class Laid(NamedTuple):
    """A map that is made.

    Attributes
    ----------
    place
        Coordinates ``(n, 2) float32`` of rows ``x : (n, d) float32``; picklable.
    fitted : (m, 2) float32 or None
        Coordinates of the sample that was laid out; None where every row has coordinates of its own.
    notes
        Sentences about how it was made.
    """

    place: Place
    fitted: Array | None = None
    notes: tuple[str, ...] = ()


class Map(Protocol):
    """A member of `MAPS`.

    Attributes
    ----------
    sampled
        Whether it is laid out from a sample of the rows and the others are placed; else it is a function of each row.
    """

    sampled: ClassVar[bool]

    def lay(self, space: Space, sample: Sample, options: MapOptions) -> Laid:
        """The map of the sets in `space`.

        Raises
        ------
        InputError
            These rows have no such map; the sentence says why, and what to do.
        """


def check_rows(name: str, sample: Sample, least: int) -> None:
    """Refuse a layout of too few rows, or of rows that are all alike.

    Raises
    ------
    InputError
        See above.
    """
    if not sample.z.shape[1]:
        raise InputError(f"all {sample.rows:,} rows have the same features, so {name} has nothing to lay out")
    if sample.rows < least:
        raise InputError(f"{name} needs {least} rows or more, there are {sample.rows}; use --method pca")

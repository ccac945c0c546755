"""The points of a map in memory: where they lie, which image each is, and what they may be coloured by."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.explorer.colouring import Colouring

Array = np.ndarray
Window = tuple[float, float, float, float]
# Of the map's width and height, that is left free around the outermost points.
MARGIN = 0.03


class Set(NamedTuple):
    """A dataset's split."""

    dataset: str
    split: str

    @property
    def name(self) -> str:
        """``dataset/split``."""
        return f"{self.dataset}/{self.split}" if self.split else self.dataset


@dataclass(frozen=True, eq=False)
class Points:
    """n points, of one or several sets; about 40 bytes a point and its path.

    Attributes
    ----------
    title
        What map it is.
    sets
        By number.
    member : (n,) int16
        Number of each point's set.
    sample_id : (n,) int64
        Unique within a set.
    x, y : (n,) float32
        Finite.
    row : (n,) int64
        Position in its set, as it stands in the map's table and in the embedding store.
    path
        Of each point's image, n strings.
    colourings
        By key, the one that is shown first first.
    confidence : (n,) float32 or None
        Of the first model.
    left_out
        Rows of the table without a place: their coordinates are not numbers.
    """

    title: str
    sets: tuple[Set, ...]
    member: Array
    sample_id: Array
    x: Array
    y: Array
    row: Array
    path: pa.ChunkedArray
    colourings: Mapping[str, Colouring]
    confidence: Array | None = None
    left_out: int = 0

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.x)

    @property
    def confidence_key(self) -> str:
        """Of the colouring by steps of `confidence`; empty where there is none."""
        of_models = (key for key in self.colourings if key == "confidence" or key.startswith("confidence-"))
        return "" if self.confidence is None else next(of_models, "")

    def coloured(self, **more: Colouring) -> "Points":
        """The same points with more to colour them by."""
        return replace(self, colourings={**self.colourings, **more})

    @cached_property
    def extent(self) -> Window:
        """``(x0, x1, y0, y1)`` that shows all points; a unit square around points that are all the same."""
        if not self.n:
            return -1.0, 1.0, -1.0, 1.0
        low, high = (np.array([edge(self.x), edge(self.y)], np.float64) for edge in (np.min, np.max))
        free = np.maximum(high - low, 1e-6 * np.maximum(1, np.abs(high))) * MARGIN
        free = np.where(high > low, free, 0.5)
        return float(low[0] - free[0]), float(high[0] + free[0]), float(low[1] - free[1]), float(high[1] + free[1])

    @cached_property
    def _by_id(self) -> Array:
        return np.lexsort([self.sample_id, self.member])

    @cached_property
    def _ids(self) -> Array:
        return self.sample_id[self._by_id]

    def name(self, point: int) -> str:
        """What a link calls a point: its set and its sample id."""
        return f"{self.sets[self.member[point]].name}:{self.sample_id[point]}"

    def named(self, name: str) -> int | None:
        """The point that a link calls so, None where the map has none."""
        where, _, number = name.rpartition(":")
        one = next((one for one in self.sets if one.name == where), None)
        return self.find(*one, int(number)) if one and number.isascii() and number.isdecimal() else None

    def find(self, dataset: str, split: str, sample_id: int) -> int | None:
        """The point of an image, None where the map has none."""
        if (dataset, split) not in self.sets:
            return None
        number = self.sets.index((dataset, split))
        first, last = np.searchsorted(self.member[self._by_id], [number, number + 1])
        at = first + np.searchsorted(self._ids[first:last], sample_id)
        return int(self._by_id[at]) if at < last and self._ids[at] == sample_id else None

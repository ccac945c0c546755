"""All rows of a set on a map, chunk by chunk."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.maps.made import Sheet
from gapscope.maps.space import Space
from gapscope.store import EmbeddingStore, Piece, View, pieces_of
from gapscope.stream import CHUNK_ROWS, Workers, each

Array = np.ndarray
# Rows whose coordinates are gathered before they are handed on: about 100 bytes each with their paths.
GATHERED = 32 * CHUNK_ROWS


class Placed(NamedTuple):
    """Rows with their places.

    Attributes
    ----------
    sample_id : (n,) int64
    label : (n,) int32
    xy : (n, 2) float32
    fitted : (n,) bool
    path : list of n
    """

    sample_id: Array
    label: Array
    xy: Array
    fitted: Array
    path: list[str]


def _place(index: int, chunk: Chunk, sheet: Sheet, store: EmbeddingStore, number: int, start: int) -> Placed:
    first = start + index * CHUNK_ROWS
    points = sheet.points(number, first, chunk.x)
    return Placed(chunk.sample_id, chunk.y, points.xy, points.fitted, store.paths(Piece(first, first + len(chunk.y))))


def placed(space: Space, sheet: Sheet, number: int, workers: Workers) -> Iterator[Placed]:
    """The rows of set `number`, `GATHERED` at a time, in store order; only their coordinates and names travel."""
    view = space.views[number]
    for piece in pieces_of(view.start, view.stop, GATHERED):
        work = partial(_place, sheet=sheet, store=view.store, number=number, start=piece.start)
        parts = each(View(view.store, piece.start, piece.stop), work, workers, description="place")
        *columns, paths = zip(*parts, strict=True)
        yield Placed(*(np.concatenate(column) for column in columns), [path for part in paths for path in part])

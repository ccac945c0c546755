"""Arrays in memory, and rows seen through a change, with the interface of a store on disk."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.store.plan import Piece
from gapscope.store.rows import Over, View, Viewed


@dataclass(frozen=True, eq=False)
class ArrayStore(Viewed):
    """Rows in memory, which every verb reads as it reads a store on disk.

    The rows are taken as they stand; put them into random order first where a training depends on it.

    Attributes
    ----------
    x : (n, d)
        Any float type; chunks are float32.
    y : (n,)
        Class indices, -1 where unknown.
    class_names
        By class index.
    sample_id : (n,) int64 or None
        None for the rows' own numbers.
    unseen
        How many rows at the end may be held out; None for any. See `Rows.unseen`.
    """

    x: np.ndarray
    y: np.ndarray
    class_names: list[str]
    name: str = "arrays"
    sample_id: np.ndarray | None = None
    unseen: int | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.x)

    @property
    def dim(self) -> int:
        """Number of features."""
        return self.x.shape[1]

    def read(self, piece: Piece, into: np.ndarray | None = None) -> Chunk:
        """The rows of `piece`; no copy where they are float32 in a row already."""
        x = np.ascontiguousarray(self.x[piece.start : piece.stop], np.float32)
        y = np.asarray(self.y[piece.start : piece.stop], np.int32)
        rows = np.arange(piece.start, piece.stop)
        return Chunk(rows if self.sample_id is None else self.sample_id[piece.start : piece.stop], x, y)


@dataclass(frozen=True)
class Changed(Over):
    """A store whose rows pass through `change` as they are read; picklable if `change` is."""

    change: Callable[[np.ndarray], np.ndarray]

    def read(self, piece: Piece, into: np.ndarray | None = None) -> Chunk:
        """The rows of `piece`, changed."""
        chunk = self.store.read(piece, into)
        return chunk._replace(x=self.change(chunk.x))


@dataclass(frozen=True, eq=False)
class Widened(Over):
    """A store with further columns behind the features of its rows, which are known by number.

    Attributes
    ----------
    columns : (n, q) float32
    """

    columns: np.ndarray

    @property
    def dim(self) -> int:
        """Features and columns."""
        return self.store.dim + self.columns.shape[1]

    def read(self, piece: Piece, into: np.ndarray | None = None) -> Chunk:
        """The rows of `piece` with their columns."""
        chunk = self.store.read(piece)
        return chunk._replace(x=np.concatenate([chunk.x, self.columns[piece.start : piece.stop]], axis=1))


def in_memory(view: View) -> View:
    """The same rows read once and kept: for work that passes over few rows many times.

    They are read a chunk at a time, so that a change of the rows takes the memory of a chunk. Which of them may be held
    out is forgotten: hold rows out before.
    """
    chunk, names = _filled(view), view.store.class_names
    store = ArrayStore(chunk.x, chunk.y, names, view.store.name, chunk.sample_id)
    return (store if chunk.weight is None else Weighted(store, np.ones(len(names)), chunk.weight)).view()


def _filled(view: View) -> Chunk:
    """All rows of a view, in one array that its chunks fill."""
    columns, x, filled = [], None, 0
    for chunk in view.chunks():
        if x is None:
            x = np.empty((view.rows, chunk.x.shape[1]), chunk.x.dtype)
        x[filled : filled + len(chunk.x)] = chunk.x
        filled += len(chunk.x)
        columns.append(chunk._replace(x=chunk.x[:0]))
    return view.read() if x is None else Chunk.joined(columns)._replace(x=x)


@dataclass(frozen=True, eq=False)
class Weighted(Over):
    """The rows of `store`, each counting as so many; one that counts as none is without a label.

    Attributes
    ----------
    by_class : (C,) float64
        What a row of each class counts as.
    by_row : (n,) float64 or None
        What each row counts as besides, by its number; None for one.
    """

    by_class: np.ndarray
    by_row: np.ndarray | None = None
    is_weighted = True

    def read(self, piece: Piece, into: np.ndarray | None = None) -> Chunk:
        """The rows of `piece` with their weights; a row without a label counts as one that is not there."""
        chunk = self.store.read(piece, into)
        weight = self.weights(chunk.y, piece)
        return chunk._replace(y=np.where(weight > 0, chunk.y, np.int32(-1)), weight=weight)

    def weights(self, y: np.ndarray, piece: Piece) -> np.ndarray:
        """The weights ``(n,) float64`` of the rows of `piece`, which are labelled ``y : (n,)``."""
        weight = np.append(self.by_class, 0.0)[y]  # the last entry is where -1 points
        return weight if self.by_row is None else weight * self.by_row[piece.start : piece.stop]

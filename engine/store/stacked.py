"""Rows of several stores one after another, with the interface of one store."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.store.plan import Piece, spans_of
from gapscope.store.rows import View, Viewed


@dataclass(frozen=True)
class Stacked(Viewed):
    """The rows of `views`, which have the same features and classes, in order; picklable if they are."""

    views: tuple[View, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(view.rows for view in self.views)

    @property
    def dim(self) -> int:
        """Number of features."""
        return self.views[0].store.dim

    @property
    def class_names(self) -> list[str]:
        """Those of the first."""
        return self.views[0].store.class_names

    @property
    def name(self) -> str:
        """The names of all."""
        return " and ".join(dict.fromkeys(view.store.name for view in self.views))

    @property
    def unseen(self) -> int | None:
        """None of a stack with synthetic rows may be held out; any of another."""
        return None if all(view.store.unseen is None for view in self.views) else 0

    def read(self, piece: Piece, into: np.ndarray | None = None) -> Chunk:
        """The rows of `piece`, in order; those of one store without copying."""
        result = [self._read(span.part, span.start, span.stop) for span in spans_of(piece, self._sizes)]
        if len(result) == 1:
            return result[0]
        nothing = Chunk(np.empty(0, np.int64), np.empty((0, self.dim), np.float32), np.empty(0, np.int32))
        return Chunk.joined([nothing, *result])

    @property
    def _sizes(self) -> list[int]:
        return [view.rows for view in self.views]

    def _read(self, number: int, start: int, stop: int) -> Chunk:
        view = self.views[number]
        return view.store.read(Piece(view.start + start, view.start + stop))


def stacked(views: Sequence[View]) -> View:
    """All rows of some views, at least one."""
    return Stacked(tuple(views)).view()

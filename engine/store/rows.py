"""What every kind of store offers to those who read rows, and runs of its rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.schemas.embeddings import Provenance
from gapscope.store.plan import Piece, pieces_of


@runtime_checkable
class Rows(Protocol):
    """Labelled feature rows that are read by number: a store on disk, arrays, or other rows in disguise.

    The rows stand in random order, so any run of them is a fair sample. A picklable value: it travels to workers, who
    read their own rows.
    """

    @property
    def rows(self) -> int:
        """Number of rows."""

    @property
    def dim(self) -> int:
        """Numbers in a row."""

    @property
    def name(self) -> str:
        """What messages and tables call these rows; ``dataset/split`` for a store on disk."""

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, by class index."""

    @property
    def unseen(self) -> int | None:
        """How many rows at the end may be held out; None where any may."""

    def read(self, piece: Piece, into: np.ndarray | None = None) -> Chunk:
        """The rows of `piece`, in order; their features in ``into : (m, d) float32`` if that has rows enough."""

    def view(self, start: int = 0, stop: int | None = None) -> "View":
        """The rows ``start <= i < stop``, all by default."""


class Viewed:
    """What every kind of store does in the same way."""

    def view(self: Rows, start: int = 0, stop: int | None = None) -> "View":
        """The rows ``start <= i < stop``, all by default; rows are shuffled, so any run of them is a fair sample."""
        return View(self, start, self.rows if stop is None else stop)


class Known(Protocol):
    """Rows of which it is known how they were made."""

    @property
    def provenance(self) -> Provenance:
        """How."""


class Named(Viewed):
    """What rows have in common that are named by their provenance."""

    @property
    def dim(self: Known) -> int:
        """Numbers in an embedding."""
        return self.provenance.dim

    @property
    def class_names(self: Known) -> list[str]:
        """Names of the classes, by class index; of classes without rows too."""
        return self.provenance.class_names

    @property
    def name(self: Known) -> str:
        """``dataset/split``, for messages and tables."""
        return f"{self.provenance.dataset}/{self.provenance.split}"


@dataclass(frozen=True)
class View:
    """The rows ``start <= i < stop`` of a store."""

    store: Rows
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.stop - self.start

    @property
    def unseen(self) -> int:
        """How many of the last rows may be held out; see `Rows.unseen`."""
        known = self.store.unseen
        return self.rows if known is None else max(0, self.stop - max(self.start, self.store.rows - known))

    def held_out(self, rows: int) -> tuple["View", "View"]:
        """The view without its last rows, and these: `rows` of them, fewer where fewer may be held out.

        Raises
        ------
        InputError
            Some are wanted and none may be.
        """
        if rows and not self.unseen:
            raise InputError(
                f"{self.store.name} has synthetic rows, and of the real ones none is left that their generator has not "
                "seen, so none can be held out; use --holdout 0, or make the set again with `augment --validation 0.1`"
            )
        cut = self.stop - min(rows, self.unseen)
        return self.store.view(self.start, cut), self.store.view(cut, self.stop)

    def pieces(self, chunk_rows: int) -> list[Piece]:
        """The view as pieces of at most `chunk_rows` rows."""
        return pieces_of(self.start, self.stop, chunk_rows)

    def chunks(self, chunk_rows: int = 8192) -> Iterator[Chunk]:
        """The view's rows in order, chunk by chunk."""
        for piece in self.pieces(chunk_rows):
            yield self.store.read(piece)

    def read(self) -> Chunk:
        """All rows at once; for views that are known to be small."""
        return self.store.read(Piece(self.start, self.stop))


@dataclass(frozen=True, eq=False)
class Over(Viewed):
    """Rows of `store` that are read in another way; a subclass says which by its ``read``."""

    store: Rows

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.store.rows

    @property
    def dim(self) -> int:
        """Number of features."""
        return self.store.dim

    @property
    def name(self) -> str:
        """The store's own."""
        return self.store.name

    @property
    def class_names(self) -> list[str]:
        """The store's own."""
        return self.store.class_names

    @property
    def unseen(self) -> int | None:
        """The store's own."""
        return self.store.unseen

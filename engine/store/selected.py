"""Some rows of a store, with the interface of a store of just these rows."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.location import Location
from gapscope.schemas.embeddings import Provenance, StoreManifest
from gapscope.store.plan import Piece
from gapscope.store.rows import Named
from gapscope.store.selection import Choice
from gapscope.store.store import EmbeddingStore
from gapscope.store.write import ROW_GROUP_ROWS


@dataclass(frozen=True)
class Selected(Named):
    """The rows of `store` that are kept, in its order: a random order stays one, so any run of them is a fair sample.

    Travels to workers as one bit a row, 160 KB for 1.28 million; as positions it would be 10 MB.

    Attributes
    ----------
    bits
        A bit for each row of the store, first row first.
    rows
        Number of rows that are kept.
    sentence
        How many of how many these are, and how they were chosen.
    """

    store: EmbeddingStore
    bits: bytes
    rows: int
    sentence: str

    @property
    def folder(self) -> Location:
        """The store's own."""
        return self.store.folder

    @property
    def manifest(self) -> StoreManifest:
        """The store's own."""
        return self.store.manifest

    @property
    def digest(self) -> str:
        """The store's own."""
        return self.store.digest

    @property
    def provenance(self) -> Provenance:
        """The store's own."""
        return self.store.provenance

    @property
    def unseen(self) -> int | None:
        """How many of the last rows may be held out: those that are kept of the store's own."""
        known = self.store.unseen
        first = self.store.rows - (known or 0)
        return None if known is None else int((_positions(self.bits) >= first).sum())

    @property
    def positions(self) -> np.ndarray:
        """Where the kept rows stand in the store, ``(n,) int64``, ascending."""
        return _positions(self.bits)

    def read(self, piece: Piece, into: np.ndarray | None = None) -> Chunk:
        """The kept rows of `piece`, in order; their embeddings in ``into : (m, d) float32`` if that has rows enough.

        The store is read by row groups, so that few rows from far apart take the memory of one group.
        """
        rows = _positions(self.bits)[piece.start : piece.stop]
        x = np.empty((len(rows), self.dim), np.float32) if into is None or len(into) < len(rows) else into[: len(rows)]
        chunk = Chunk(np.empty(len(rows), np.int64), x, np.empty(len(rows), np.int32))
        runs = _runs(rows)
        group = np.empty((max((span.rows for _, span in runs), default=0), self.dim), np.float32)
        for run, span in runs:
            for column, result in zip(chunk[:3], self.store.read(span, group)[:3], strict=True):
                np.take(result, rows[run] - span.start, axis=0, out=column[run], mode="clip")  # others copy twice
        return chunk

    def paths(self, piece: Piece) -> list[str]:
        """Image paths of the kept rows of `piece`."""
        rows = _positions(self.bits)[piece.start : piece.stop]
        result: list[str] = []
        for run, span in _runs(rows):
            paths = self.store.paths(span)
            result += [paths[row - span.start] for row in rows[run]]
        return result

    def sample_ids(self) -> np.ndarray:
        """The ``sample_id`` of every kept row, ``(n,) int64``, in order; no embedding is read."""
        return self.store.sample_ids()[_positions(self.bits)]

    def labels(self) -> np.ndarray:
        """The class index of every kept row, ``(n,) int32``, in order; no embedding is read."""
        return self.store.labels()[_positions(self.bits)]

    def digests(self) -> np.ndarray | None:
        """A hash of what each kept row was made from, ``(n,) uint64``, in order; None where it is not known."""
        result = self.store.digests()
        return None if result is None else result[_positions(self.bits)]

    def is_synthetic(self, piece: Piece) -> np.ndarray:
        """Which of the kept rows of `piece` a generator has made, ``(n,) bool``."""
        rows = _positions(self.bits)[piece.start : piece.stop]
        result = [self.store.is_synthetic(span)[rows[run] - span.start] for run, span in _runs(rows)]
        return np.concatenate([np.empty(0, bool), *result])


def whole_of(store: EmbeddingStore | Selected) -> EmbeddingStore:
    """The store of which these are rows, or which it is."""
    return store.store if isinstance(store, Selected) else store


def selected(store: EmbeddingStore, choice: Choice) -> EmbeddingStore | Selected:
    """The rows of a store that a choice keeps; the store itself where no file names it.

    Raises
    ------
    InputError
        See `Choice.kept`.
    """
    name = (store.provenance.dataset, store.provenance.split)
    if not choice.concerns(name):
        return store
    kept = choice.kept(name, store.sample_ids())
    return rows_of(store, kept, choice.sentence(name, int(kept.sum()), store.rows))


def rows_of(store: EmbeddingStore, kept: np.ndarray, sentence: str) -> Selected:
    """The rows of a store where ``kept : (n,) bool`` is true; the `sentence` says how they were chosen."""
    return Selected(store, np.packbits(kept).tobytes(), int(kept.sum()), sentence)


def some_of(store: EmbeddingStore | Selected, kept: np.ndarray, sentence: str) -> Selected:
    """The same of a store or of some of its rows, whose own sentence stands before this one."""
    if not isinstance(store, Selected):
        return rows_of(store, kept, sentence)
    whole = np.zeros(store.store.rows, bool)
    whole[store.positions] = kept
    return rows_of(store.store, whole, f"{store.sentence} {sentence}")


@lru_cache(maxsize=8)
def _positions(bits: bytes) -> np.ndarray:
    return np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8)))


def _runs(rows: np.ndarray) -> list[tuple[slice, Piece]]:
    """The ascending ``rows : (m,)`` in runs that a row group holds: which of them, and the piece to read for them.

    >>> _runs(np.array([1, 4095, 4096]))
    [(slice(0, 2, None), Piece(start=1, stop=4096)), (slice(2, 3, None), Piece(start=4096, stop=4097))]
    """
    group = rows // ROW_GROUP_ROWS
    bounds = [0, *(np.flatnonzero(group[1:] != group[:-1]) + 1).tolist(), len(rows)]
    runs = [(low, high) for low, high in pairwise(bounds) if low < high]
    return [(slice(low, high), Piece(int(rows[low]), int(rows[high - 1]) + 1)) for low, high in runs]

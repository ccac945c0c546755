"""A finished store, and its rows by number."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from gapscope.core.chunk import Chunk
from gapscope.core.errors import SchemaError
from gapscope.core.files import damaged, read_sealed, read_table, seal_of
from gapscope.core.location import Location
from gapscope.schemas.embeddings import Provenance, StoreManifest
from gapscope.store.plan import Piece, pieces_of, spans_of
from gapscope.store.read import PartFile, read_chunk, read_footer, read_span
from gapscope.store.rows import Named
from gapscope.store.write import HEAD, REJECTED, check_sizes, part_files, read_manifest

if TYPE_CHECKING:
    from dask.array import Array


@dataclass(frozen=True)
class EmbeddingStore(Named):
    """A finished embedding store; a small value that travels to workers, who read their own rows."""

    folder: Location
    manifest: StoreManifest

    @property
    def provenance(self) -> Provenance:
        """How the store was made."""
        return self.manifest.provenance

    @property
    def rows(self) -> int:
        """Number of embeddings."""
        return self.manifest.rows

    @property
    def unseen(self) -> int | None:
        """How many rows at the end may be held out: real ones that no generator of the others has seen. None where no
        row is synthetic, so that any may be.
        """
        return None if self.provenance.synthetic is None else self.manifest.unseen or 0

    @property
    def head(self) -> Location:
        """Where the backbone's own classifier lies, if it has one."""
        return self.folder / HEAD

    @cached_property
    def _part_rows(self) -> list[int]:
        return [part.rows for part in self.manifest.parts]

    @cached_property
    def _parts(self) -> list[PartFile]:
        return part_files(self.folder, self.manifest)

    @property
    def digest(self) -> str:
        """Digest of the configuration and of all rows, for whoever records what was made from them; empty for a store
        of version 1, which does not know it.
        """
        return self.manifest.contents

    def read(self, piece: Piece, into: np.ndarray | None = None) -> Chunk:
        """The rows of `piece`, in order; their embeddings in ``into : (m, d) float32`` if that has rows enough."""
        return read_chunk(self._parts, spans_of(piece, self._part_rows), self.dim, into)

    def paths(self, piece: Piece) -> list[str]:
        """Image paths of the rows of `piece`, in store order."""
        return [path for column in self._column("path", piece) for path in column.to_pylist()]

    def is_synthetic(self, piece: Piece) -> np.ndarray:
        """Which rows of `piece` a generator has made, ``(n,) bool``, in store order."""
        if self.provenance.synthetic is None:
            return np.zeros(piece.rows, bool)
        return np.concatenate([np.empty(0, bool), *map(np.asarray, self._column("is_synthetic", piece))])

    def sample_ids(self) -> np.ndarray:
        """The ``sample_id`` of every row, ``(n,) int64``, in store order; no embedding is read."""
        return self._numbers("sample_id", np.int64)

    def labels(self) -> np.ndarray:
        """The class index of every row, ``(n,) int32``, in store order; no embedding is read."""
        return self._numbers("label", np.int32)

    def digests(self) -> np.ndarray | None:
        """A 64-bit hash of what each row was made from, ``(n,) uint64``, in store order; None where it is not known."""
        if not all("digest" in read_footer(part.place).metadata.schema.to_arrow_schema().names for part in self._parts):
            return None
        return self._numbers("digest", np.uint64)

    def _numbers(self, name: str, dtype: type) -> np.ndarray:
        """A column of numbers. Not taken: `to_numpy`, which imports pandas and takes longer than all of this."""
        chunks = (chunk for column in self._column(name, Piece(0, self.rows)) for chunk in column.chunks)
        return np.concatenate([np.empty(0, dtype), *map(np.from_dlpack, chunks)])

    def _column(self, name: str, piece: Piece) -> Iterator[pa.ChunkedArray]:
        """A column's values in each span of `piece`."""
        for span in spans_of(piece, self._part_rows):
            yield read_span(self._parts[span.part], span, [name])[name]

    def rejected(self) -> list[dict[str, Any]]:
        """``sample_id``, ``path``, ``reason`` and ``digest`` of each image that has no embedding.

        Raises
        ------
        DamageError
            The list is missing, damaged, or that of another store.
        """
        place = self.folder / REJECTED
        if not place.exists():
            raise damaged(place, "it is missing")
        wanted = self.manifest.seals.get(REJECTED)
        rows = read_table(place).to_pylist()
        if len(rows) != self.manifest.rejected or (wanted and seal_of(read_sealed(place)) != wanted):
            raise damaged(place, "it is the list of another store")
        return [{"digest": None, **row} for row in rows]

    def to_dask_array(self, chunk_rows: int = 8192) -> "Array":
        """The embeddings as a ``dask.array`` of shape (rows, dim), float32, in store order; nothing is read yet."""
        import dask.array as da  # here, so that a store opens without loading Dask
        from dask.delayed import delayed

        blocks = [
            da.from_delayed(delayed(_embeddings)(self, piece), (piece.rows, self.dim), dtype=np.float32)
            for piece in pieces_of(0, self.rows, chunk_rows)
        ]
        return da.concatenate(blocks) if blocks else da.zeros((0, self.dim), dtype=np.float32)


def _embeddings(store: EmbeddingStore, piece: Piece) -> np.ndarray:
    return store.read(piece).x


def open_store(folder: Location) -> EmbeddingStore:
    """The finished store in `folder`.

    Raises
    ------
    SchemaError
        There is none, or the job that makes it has not finished.
    DamageError
        A part is missing or has another size.
    """
    manifest = read_manifest(folder)
    if not manifest.complete:
        raise SchemaError(f"{folder} is not finished; run the command that makes it again and it continues")
    check_sizes(folder, manifest)
    return EmbeddingStore(folder, manifest)

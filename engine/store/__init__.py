"""The embedding store: plan rows, read chunks, write parts, import CSV."""

from gapscope.store.arrays import ArrayStore, Changed, Weighted, in_memory
from gapscope.store.plan import Piece, pieces_of
from gapscope.store.rows import Rows, View
from gapscope.store.store import EmbeddingStore, open_store
from gapscope.store.write import StoreWriter

__all__ = [
    "ArrayStore",
    "Changed",
    "EmbeddingStore",
    "Piece",
    "Rows",
    "StoreWriter",
    "View",
    "Weighted",
    "in_memory",
    "open_store",
    "pieces_of",
]

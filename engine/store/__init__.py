"""The embedding store: plan rows, read chunks, write parts, import CSV."""

from engine.store.arrays import ArrayStore, Changed, in_memory
from engine.store.plan import Piece, pieces_of
from engine.store.store import EmbeddingStore, View, open_store
from engine.store.write import StoreWriter

__all__ = [
    "ArrayStore",
    "Changed",
    "EmbeddingStore",
    "Piece",
    "StoreWriter",
    "View",
    "in_memory",
    "open_store",
    "pieces_of",
]

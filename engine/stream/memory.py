"""The memory that a chunk of rows takes on its way."""

from gapscope.stream.verbs import CHUNK_ROWS


def chunk_bytes(dim: int, classes: int = 0) -> int:
    """A chunk as it is read and as it is computed on, and what is computed of each class of its rows, if anything."""
    return 4 * CHUNK_ROWS * (6 * dim + 4 * classes)

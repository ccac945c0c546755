"""The sub-batches of one logical shard, with the next chunk read ahead."""

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Any

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.store import Piece
from gapscope.stream.schedule import Rounds


def shard_chunks(rounds: Rounds, shard: int, reader: Executor, first: int = 0) -> Iterator[Chunk | None]:
    """The shard's sub-batch of each global batch from `first` on, None where it has no rows left in a group.

    While a chunk is used, `reader` fetches the next one, so that computing does not wait for the disk. Two buffers take
    turns: the embeddings of a sub-batch are overwritten once its chunk has been used, so keep a copy, not a view.
    """
    wanted = list(rounds.sub_batches(shard, first))
    pieces = list(dict.fromkeys(item[0] for item in wanted if item))
    ahead = _read_ahead(rounds, pieces, reader)
    held: tuple[Piece, Chunk] | None = None
    for item in wanted:
        if item is None:
            yield None
            continue
        piece, start, stop = item
        if held is None or held[0] != piece:
            held = (piece, next(ahead))
        yield held[1].rows(start, stop)


def _read_ahead(rounds: Rounds, pieces: list[Piece], reader: Executor) -> Iterator[Chunk]:
    store, most = rounds.view.store, max((piece.rows for piece in pieces), default=0)
    buffers = [np.empty((most, store.dim), np.float32) for _ in range(min(2, len(pieces)))]
    waiting: Future[Any] | None = None
    for index, piece in enumerate(pieces):
        current = waiting or reader.submit(store.read, piece, buffers[index % 2])
        result = current.result()
        following = pieces[index + 1 : index + 2]
        waiting = reader.submit(store.read, following[0], buffers[(index + 1) % 2]) if following else None
        yield result

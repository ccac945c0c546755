"""The sub-batches of one logical shard, with the next chunk read ahead."""

from collections.abc import Iterator
from concurrent.futures import Executor, Future

from engine.core.chunk import Chunk
from engine.store import Piece
from engine.stream.schedule import Rounds


def shard_chunks(rounds: Rounds, shard: int, reader: Executor, first: int = 0) -> Iterator[Chunk | None]:
    """The shard's sub-batch of each global batch from `first` on, None where it has no rows left in a group.

    While a chunk is used, `reader` fetches the next one, so that computing does not wait for the disk.
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
    waiting: Future | None = None
    for index, piece in enumerate(pieces):
        current = waiting or reader.submit(rounds.view.store.read, piece)
        waiting = reader.submit(rounds.view.store.read, pieces[index + 1]) if index + 1 < len(pieces) else None
        yield current.result()

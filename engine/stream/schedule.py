"""Which rows each logical shard contributes to each global batch: arithmetic that reads nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from gapscope.core.random import stream
from gapscope.store import Piece, View, pieces_of

SHARDS = 4


@dataclass(frozen=True)
class Rounds:
    """One pass over a view in global batches, each the union of one sub-batch per logical shard.

    The rows are taken in groups of `shards` consecutive chunks, chunk ``s`` of a group belonging to shard ``s``;
    global batch ``t`` of a group joins the ``t``-th ``batch_rows / shards`` rows of its chunks. Rows stand in random
    order in the store, so each sub-batch and each union is a fair sample. The number of shards is part of the
    definition and not of the machine: two threads and fifty workers compute the same batches.

    Attributes
    ----------
    batch_rows
        Rows of a global batch; a multiple of `shards`.
    chunk_rows
        Rows that a shard reads at a time, a multiple of ``batch_rows / shards``. Memory: ``2 * shards * chunk_rows *
        d * 4`` bytes.
    repeats
        How often the batches of a group are taken, one round after the other, while its chunks are in memory.
    epoch, seed
        Together they choose the order of the groups; epoch 0 reads the store from front to back.
    """

    view: View
    batch_rows: int = 1024
    chunk_rows: int = 4096
    shards: int = SHARDS
    repeats: int = 1
    epoch: int = 0
    seed: int = 0

    @property
    def sub_rows(self) -> int:
        """Rows that one shard contributes to a global batch."""
        return max(1, self.batch_rows // self.shards)

    @cached_property
    def groups(self) -> list[list[Piece]]:
        """For each group, in reading order, the chunk of each shard; the last group is divided evenly."""
        groups = [
            _divide(group, self.shards)
            for group in pieces_of(self.view.start, self.view.stop, self.shards * self.chunk_rows)
        ]
        if self.epoch:
            stream(self.seed, "order", f"epoch-{self.epoch}").shuffle(groups)
        return groups

    @cached_property
    def _steps(self) -> list[int]:
        return [max(-(-chunk.rows // self.sub_rows) for chunk in group) for group in self.groups]

    @property
    def steps(self) -> int:
        """Number of global batches."""
        return self.repeats * sum(self._steps)

    def sub_batches(self, shard: int, first: int = 0) -> Iterator[tuple[Piece, int, int] | None]:
        """For each global batch from `first` on: the shard's chunk and the rows of it to take, None where it has none
        left.
        """
        step = 0
        for group, steps in zip(self.groups, self._steps, strict=True):
            chunk = group[shard]
            for index in range(max(0, first - step), self.repeats * steps):
                start = index % steps * self.sub_rows
                stop = min(start + self.sub_rows, chunk.rows)
                yield (chunk, start, stop) if start < stop else None
            step += self.repeats * steps


def _divide(piece: Piece, count: int) -> list[Piece]:
    bounds = [piece.start + piece.rows * index // count for index in range(count + 1)]
    return [Piece(low, high) for low, high in pairwise(bounds)]

"""Which images stand in which part and batch: arithmetic that opens no file."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from engine.core.random import stream


class Batch(NamedTuple):
    """Images that go through the network together.

    Attributes
    ----------
    part
        The part they belong to.
    start
        Position of the first within the part.
    indices : (n,) int64
        Positions in the listing; fewer than the batch size only at the end of a part.
    """

    part: int
    start: int
    indices: np.ndarray


def shuffled(count: int, seed: int) -> np.ndarray:
    """The order of the store: a permutation of ``0 <= i < count``, ``(count,) int64``."""
    return stream(seed, "shuffle").permutation(count)


def part_count(count: int, part_rows: int) -> int:
    """Parts of a store of `count` images."""
    return -(-count // part_rows)


def part_indices(order: np.ndarray, part: int, part_rows: int) -> np.ndarray:
    """Listing positions of the images of `part`, in store order."""
    return order[part * part_rows : (part + 1) * part_rows]


def batches_of(order: np.ndarray, parts: Sequence[int], part_rows: int, batch_size: int) -> Iterator[Batch]:
    """The batches of `parts`; each begins anew with its part, so that a resumed run makes the same ones."""
    for part in parts:
        indices = part_indices(order, part, part_rows)
        for start in range(0, len(indices), batch_size):
            yield Batch(part, start, indices[start : start + batch_size])

"""Which images stand in which part and batch: arithmetic that opens no file."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gapscope.core.random import stream
from gapscope.data.source import Listing


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
    """A random order: a permutation of ``0 <= i < count``, ``(count,) int64``."""
    return stream(seed, "shuffle").permutation(count)


def unseen_images(listing: Listing) -> np.ndarray:
    """Listing positions of the real images that no generator of the others has seen, ``(u,)``; all where none is
    synthetic.
    """
    if listing.synthesis is None:
        return np.arange(len(listing))
    return np.flatnonzero(~(listing.synthesis.made | listing.synthesis.learnt))


def stored_order(listing: Listing, seed: int) -> np.ndarray:
    """Listing positions in the order of the store, ``(n,)``: shuffled, but the `unseen_images` last.

    What may be held out then stands at the end, and either group is in random order by itself.
    """
    order = shuffled(len(listing), seed)
    if listing.synthesis is None:
        return order
    last = np.isin(order, unseen_images(listing))
    return np.concatenate([order[~last], order[last]])


def part_count(count: int, part_rows: int) -> int:
    """Parts of a store of `count` images."""
    return -(-count // part_rows)


def part_indices(order: np.ndarray, part: int, part_rows: int) -> np.ndarray:
    """Listing positions of the images of `part`, in store order."""
    return order[part * part_rows : (part + 1) * part_rows]


def part_size(count: int, part: int, part_rows: int) -> int:
    """Images of `part` of a store of `count`; by arithmetic alone, so that counting all parts is linear in them."""
    return max(0, min(part_rows, count - part * part_rows))


def batches_of(order: np.ndarray, parts: Sequence[int], part_rows: int, batch_size: int) -> Iterator[Batch]:
    """The batches of `parts`; each begins anew with its part, so that a resumed run makes the same ones."""
    for part in parts:
        indices = part_indices(order, part, part_rows)
        for start in range(0, len(indices), batch_size):
            yield Batch(part, start, indices[start : start + batch_size])

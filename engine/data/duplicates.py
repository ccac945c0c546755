"""Images that occur more than once in a dataset, within a split and across its splits."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gapscope.core.progress import SILENT, Progress
from gapscope.data.likeness import Looks, looks_of
from gapscope.data.source import ByteSource, Undecodable
from gapscope.data.splits import identical_groups


class DuplicatePair(NamedTuple):
    """Two images that are the same.

    Attributes
    ----------
    splits, names
        Where the two stand, the one of the earlier split first.
    classes
        Names of their classes; empty where unknown.
    identical
        Whether they are made from equal bytes; else they look alike.
    """

    splits: tuple[str, str]
    names: tuple[str, str]
    classes: tuple[str, str]
    identical: bool

    @property
    def across(self) -> bool:
        """Whether the two stand in different splits."""
        return self.splits[0] != self.splits[1]

    @property
    def contradicts(self) -> bool:
        """Whether both have a class, and not the same one."""
        return all(self.classes) and self.classes[0] != self.classes[1]


class _Joined:
    """The images of several sources as one."""

    def __init__(self, sources: Sequence[ByteSource]):
        self.sources = sources
        self.starts = np.cumsum([0, *(len(source.listing) for source in sources)])

    def sizes(self) -> np.ndarray:
        """Bytes of each image, (n,) int64."""
        return np.concatenate([source.sizes() for source in self.sources])

    def read(self, row: int) -> bytes:
        """The bytes of an image."""
        part, index = self.place(row)
        return self.sources[part].read(index)

    def holds_image(self, row: int) -> bool:
        """Whether there is an image to decode."""
        part, index = self.place(row)
        try:
            self.sources[part].image(index)
        except Undecodable:
            return False
        return True

    def place(self, row: int) -> tuple[int, int]:
        """Which source an image is from, and its position there."""
        part = int(np.searchsorted(self.starts, row, "right")) - 1
        return part, int(row - self.starts[part])

    def looks(self, splits: Sequence[str], progress: Progress) -> Looks:
        """What all images look like."""
        result = []
        for split, source in zip(splits, self.sources, strict=True):
            with progress.task(f"looking at {split}", len(source.listing), "images") as task:
                result.append(looks_of(source, task))
        rows = [looks.rows + start for looks, start in zip(result, self.starts, strict=False)]
        return Looks(np.concatenate(rows), np.concatenate([looks.grey for looks in result]))


def find_duplicates(sources: Mapping[str, ByteSource], progress: Progress = SILENT) -> list[DuplicatePair]:
    """Identical images and near duplicates of the splits `sources`, identical ones first, in the order of the listings.

    Files that hold no image, such as empty ones, do not count. Of several identical images, each is paired with the
    first, and so is each of many images that look alike (`Looks.pairs`). Takes as long as reading all images, and 1 KiB
    of memory for each.
    """
    whole = _Joined(list(sources.values()))
    first = identical_groups(whole)
    rows = [row for row in np.flatnonzero(first != np.arange(len(first))).tolist() if whole.holds_image(row)]
    identical = [_copy(whole, tuple(sources), int(first[row]), row, identical=True) for row in rows]
    pairs = whole.looks(tuple(sources), progress).pairs()
    near = pairs[(first[pairs] == pairs).all(axis=1)]  # of identical images, the first one speaks for all
    return identical + [_copy(whole, tuple(sources), *pair, identical=False) for pair in near.tolist()]


def _copy(whole: _Joined, splits: tuple[str, ...], one: int, other: int, *, identical: bool) -> DuplicatePair:
    places = [whole.place(one), whole.place(other)]
    listings = [whole.sources[part].listing for part, _ in places]
    labels = [int(listing.labels[index]) for listing, (_, index) in zip(listings, places, strict=True)]
    return DuplicatePair(
        tuple(splits[part] for part, _ in places),
        tuple(listing.names[index] for listing, (_, index) in zip(listings, places, strict=True)),
        tuple(
            listing.class_names[label] if label >= 0 else "" for listing, label in zip(listings, labels, strict=True)
        ),
        identical,
    )

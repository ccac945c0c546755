"""What a source of images is: a listing in a fixed order, and the image at each of its positions."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from gapscope.schemas.embeddings import Fingerprint
from PIL import Image


class Undecodable(Exception):
    """This file holds no image that can be used; the message is the reason for the ledger."""


class Synthesis(NamedTuple):
    """Which images of a listing a generator has made, and which it has learnt from; ``(n,) bool`` each.

    Neither may be validated on: the first are no real images, and of the second the first may hold parts.
    """

    made: np.ndarray
    learnt: np.ndarray

    def rows(self, rows: np.ndarray) -> "Synthesis":
        """That of the images at `rows`."""
        return Synthesis(self.made[rows], self.learnt[rows])


@dataclass(frozen=True)
class Listing:
    """The images of a split, in an order that never depends on the file system's.

    Attributes
    ----------
    names
        Path of each image relative to the dataset, or its member name or number; unique.
    labels : (n,) int32
        Class indices, -1 where unknown.
    class_names
        Names of the classes, by class index.
    synthesis
        Which images are synthetic; None where none is.
    """

    names: list[str]
    labels: np.ndarray
    class_names: list[str]
    synthesis: Synthesis | None = None

    def __len__(self) -> int:
        return len(self.names)

    def fingerprint(self) -> Fingerprint:
        """Count and SHA-256 of the names and labels, in order."""
        digest = hashlib.sha256()
        for name, label in zip(self.names, self.labels.tolist(), strict=True):
            digest.update(f"{name}\0{label}\n".encode())
        return Fingerprint(count=len(self), hash=digest.hexdigest())


class Source(Protocol):
    """Images by position; picklable, so that worker processes can open their own handles."""

    listing: Listing

    def image(self, index: int) -> Image.Image:
        """The image at position `index` of the listing, RGB, upright.

        Raises
        ------
        Undecodable
            The file is truncated, empty, not an image, too large or unreadable.
        """


class ByteSource(Source, Protocol):
    """A source that also hands over what each image is made from, so that identical images are found undecoded."""

    def read(self, index: int) -> bytes:
        """The bytes that decide the image at position `index`: its file, or its raw pixels."""

    def sizes(self) -> np.ndarray:
        """Bytes of each image, (n,) int64, without reading them."""

"""What a source of images is: a listing in a fixed order, and the image at each of its positions."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from gapscope.core.hashing import digest_bytes
from gapscope.core.threads import processors
from gapscope.schemas.embeddings import Fingerprint

# Images that a process reads at the same time where each is waited for.
READERS = 8
# Images that threads decode at the same time where that has to fit, at most; and bytes of one of 16 million pixels,
# twice.
DECODERS, DECODED = 8, 2 * 3 * 2**24


class Undecodable(Exception):
    """This file holds no image that can be used; the message is the reason in the list of rejected images.

    `digest` is that of the bytes it holds instead; None where none could be read.
    """

    digest: int | None = None


# In the `info` of an image that is what its file holds, not changed and not made of raw pixels.
OF_FILE = "of file"


class Picture(NamedTuple):
    """An image, RGB and upright, `digest_bytes` of what it was made from, and the file that holds it as it is, empty
    where there is none.
    """

    image: Image.Image
    digest: int
    file: bytes = b""


class Stamps(NamedTuple):
    """Size in bytes and time of the last change, in ns since 1970, of the file that holds each image, (n,) int64 each.

    An image in an archive or a Parquet file has those of the whole file; one that is in no file has zeros, as has one
    whose file is gone.
    """

    sizes: np.ndarray
    times: np.ndarray

    @classmethod
    def none(cls, count: int) -> "Stamps":
        """Those of images that are in no file."""
        return cls(np.zeros(count, np.int64), np.zeros(count, np.int64))

    def rows(self, rows: np.ndarray) -> "Stamps":
        """Those of the images at `rows`."""
        return Stamps(self.sizes[rows], self.times[rows])

    def digest(self, names: Iterable[str]) -> str:
        """SHA-256 of the listing `names` with sizes and times, in order: equal as long as no file was touched."""
        digest = hashlib.sha256("\0".join(names).encode())
        for column in self:
            digest.update(column.astype("<i8").tobytes())
        return digest.hexdigest()


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

    def decode(self, index: int, data: bytes) -> Image.Image:
        """The image at position `index` from the `data` that `read` has handed over for it."""

    def sizes(self) -> np.ndarray:
        """Bytes of each image, (n,) int64, without reading them."""

    def stamps(self) -> Stamps:
        """Sizes and times of the files that hold the images; opens none, one `stat` a file."""


class FromBytes:
    """What sources have in common whose images are what `decode` makes of what `read` hands over."""

    def image(self: ByteSource, index: int) -> Image.Image:
        """The image at position `index`."""
        return self.decode(index, self.read(index))


def decoders() -> int:
    """How many images threads of this process decode at the same time where their memory is projected."""
    return min(processors(), DECODERS)


def readers(source: Source) -> int:
    """How many images of `source` are best read at the same time: one a processor, and more where each is waited for
    behind a network.
    """
    return max(processors(), READERS) if getattr(source, "distant", False) else processors()


def read_picture(source: Source, index: int) -> Picture:
    """The image at position `index` with the digest of its bytes, which are read once for both.

    An image that is made from nothing but its number has the digest of its pixels.

    Raises
    ------
    Undecodable
        There is no usable image; with the digest of the bytes, where there are any.
    """
    if not hasattr(source, "decode"):
        image = source.image(index)
        return Picture(image, digest_bytes(image.tobytes()))
    data = source.read(index)
    digest = digest_bytes(data)
    try:
        image = source.decode(index, data)
        return Picture(image, digest, data if OF_FILE in image.info else b"")
    except Undecodable as error:
        error.digest = digest
        raise

"""Images by row as arrays of bytes: decoded once and kept, or decoded whenever they are asked for."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from gapscope.core.progress import SILENT, Progress
from gapscope.core.threads import processors
from gapscope.data.source import Source, Undecodable, read_picture
from gapscope.networks.frame import Frame

# Images decoded between two looks at the clock, and batches prepared in advance.
RUN, AHEAD = 512, 2


class Batch(NamedTuple):
    """Images that were read together.

    Attributes
    ----------
    rows : (n,) int64
        Positions in the listing.
    x : (n, h, w, c) uint8
    y : (n,) int64
        Class indices, -1 where unknown.
    """

    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray


class Images(Protocol):
    """A split's images in one frame.

    Attributes
    ----------
    name
        ``dataset/split``, for messages.
    rejected
        Reason for each row that was found to hold no image.
    digests : (n,) uint64
        Of the bytes that each image was made from; 0 for a row that was not read yet.
    """

    name: str
    source: Source
    frame: Frame
    rejected: dict[int, str]
    digests: np.ndarray

    def batch(self, rows: np.ndarray) -> Batch:
        """The images at ``rows : (n,)`` of the listing, in that order; those that hold no image are left out."""


@runtime_checkable
class Changing(Images, Protocol):
    """Images that training sees changed, and otherwise in each epoch.

    Attributes
    ----------
    images
        The same as they are, for validation.
    """

    images: Images

    def at(self, epoch: int) -> Images:
        """The images as training sees them in `epoch`, from 1."""


@dataclass(frozen=True)
class OverImages:
    """Images that hand over those of `images` in another way; a subclass says which by its ``batch``."""

    images: Images

    @property
    def name(self) -> str:
        """That of `images`."""
        return self.images.name

    @property
    def source(self) -> Source:
        """That of `images`."""
        return self.images.source

    @property
    def frame(self) -> Frame:
        """That of `images`."""
        return self.images.frame

    @property
    def rejected(self) -> dict[int, str]:
        """Those of `images`."""
        return self.images.rejected

    @property
    def digests(self) -> np.ndarray:
        """Those of `images`."""
        return self.images.digests


@dataclass(frozen=True)
class Held:
    """All images decoded once, ``pixels : (n, h, w, c) uint8``."""

    name: str
    source: Source
    frame: Frame
    pixels: np.ndarray
    rejected: dict[int, str]
    digests: np.ndarray

    def batch(self, rows: np.ndarray) -> Batch:
        """See `Images.batch`."""
        good = _without(rows, self.rejected)
        return Batch(good, self.pixels[good], self.source.listing.labels[good].astype(np.int64))


@dataclass(frozen=True)
class Streamed:
    """Images decoded anew each time by some threads; holds none of them."""

    name: str
    source: Source
    frame: Frame
    threads: int
    digests: np.ndarray
    rejected: dict[int, str] = field(default_factory=dict)

    def batch(self, rows: np.ndarray) -> Batch:
        """See `Images.batch`."""
        pixels = np.zeros((len(rows), *self.frame), np.uint8)
        self.rejected.update(_decode(self.source, self.frame, rows, pixels, self.digests, self.threads))
        kept = np.array([row not in self.rejected for row in rows.tolist()], bool)
        return Batch(rows[kept], pixels[kept], self.source.listing.labels[rows[kept]].astype(np.int64))


def open_images(
    source: Source,
    name: str,
    frame: Frame,
    budget_bytes: int,
    *,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> Images:
    """The images of `source` in the given `frame`: held where all of them fit into `budget_bytes`, else streamed."""
    threads = threads or processors()
    count = len(source.listing)
    digests = np.zeros(count, np.uint64)
    if count * frame.pixels > budget_bytes:
        return Streamed(name, source, frame, threads, digests)
    pixels = np.zeros((count, *frame), np.uint8)
    rejected: dict[int, str] = {}
    with progress.task(f"decode {name}", count, "images") as task:
        for start in range(0, count, RUN):
            rows = np.arange(start, min(start + RUN, count))
            rejected |= _decode(source, frame, rows, pixels[start : start + RUN], digests, threads)
            task.advance(len(rows))
    return Held(name, source, frame, pixels, rejected, digests)


def _decode(
    source: Source, frame: Frame, rows: np.ndarray, into: np.ndarray, digests: np.ndarray, threads: int
) -> dict[int, str]:
    """Fill `into` with the images at `rows`, and those places of `digests`; the reason for each row that holds none."""

    def one(slot: int) -> str:
        row = int(rows[slot])
        try:
            image, digests[row], _ = read_picture(source, row)
        except Undecodable as error:
            digests[row] = error.digest or 0
            return str(error)
        into[slot] = frame.prepare(image)
        return ""

    with ThreadPoolExecutor(threads) as pool:
        reasons = pool.map(one, range(len(rows)), chunksize=64)
        return {int(row): reason for row, reason in zip(rows, reasons, strict=True) if reason}


def usable(images: Images) -> np.ndarray:
    """The positions ``(m,) int64`` in the listing of the images that were not found to hold none."""
    return _without(np.arange(len(images.source.listing)), images.rejected)


def _without(rows: np.ndarray, rejected: dict[int, str]) -> np.ndarray:
    return rows[~np.isin(rows, list(rejected))] if rejected else rows


def batches(images: Images, parts: Sequence[np.ndarray]) -> Iterator[Batch]:
    """The batches of rows `parts`, in order; the next ones are read while one is used, and empty ones are left out."""
    with ThreadPoolExecutor(1, "read") as reader:
        waiting = deque(reader.submit(images.batch, rows) for rows in parts[:AHEAD])
        for index in range(len(parts)):
            batch = waiting.popleft().result()
            if index + AHEAD < len(parts):
                waiting.append(reader.submit(images.batch, parts[index + AHEAD]))
            if len(batch.rows):
                yield batch


def even_parts(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """`rows` in parts of at most `size` whose sizes differ by one at most: no batch is too small for a batch norm.

    >>> [part.tolist() for part in even_parts(np.arange(5), 4)]
    [[0, 1, 2], [3, 4]]
    """
    return np.array_split(rows, -(-len(rows) // size)) if len(rows) else []

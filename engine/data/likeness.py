"""Images that look the same though their files differ: found by a perceptual hash, confirmed on small grey copies.

References
----------
Zauner (2010), "Implementation and benchmarking of perceptual image hash functions", section 3.2.1; Norouzi, Punjani and
Fleet (2012), "Fast search in Hamming space with multi-index hashing".
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from gapscope.core.progress import Task
from gapscope.core.threads import processors
from gapscope.data.decode import FORMATS, MAX_PIXELS, UPRIGHT, orientation, silence
from gapscope.data.source import ByteSource, Undecodable
from PIL import Image

# Edge of the grey copies; images with a shorter one have too few pixels to be told apart this way.
EDGE = 32
# Bits in which the hashes of re-encoded, resized copies differ at most; of blocks of 16 bits, one then differs in one.
DISTANCE, BLOCK_BITS, BITS = 6, 16, 64
# Grey copies with a smaller standard deviation are flat, and all alike; in levels of 255.
FLAT = 4.0
# Of the grey copies of a near duplicate: root mean square difference over the standard deviation, at most. Among some
# 6,000 photographs and drawings, copies in other colours or frames reach 0.25; the nearest that differ begin at 0.30.
DIFFERENCE = 0.27
RUN, PAIRS = 512, 2**22


@dataclass(frozen=True)
class Looks:
    """What images look like, small.

    Attributes
    ----------
    rows : (n,) int64
        Positions in the listing, ascending; images that are flat, tiny or no images are not among them.
    grey : (n, 32, 32) uint8
    """

    rows: np.ndarray
    grey: np.ndarray

    def pairs(self) -> np.ndarray:
        """Positions ``(m, 2) int64`` of near duplicates, the smaller one first, sorted."""
        first, second = close_hashes(perceptual_hashes(self.grey))
        same = np.concatenate(
            [self._same(first[i : i + RUN], second[i : i + RUN]) for i in range(0, len(first), RUN)] or [first > 0]
        )
        found = np.stack([self.rows[first[same]], self.rows[second[same]]], axis=1)
        return found[np.lexsort([found[:, 1], found[:, 0]])]

    def _same(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Whether the grey copies agree, which the hash alone does not say: it knows no brightness and no contrast."""
        one, other = (self.grey[rows].astype(np.float32).reshape(len(rows), -1) for rows in (first, second))
        spread = np.minimum(one.std(axis=1), other.std(axis=1))
        return np.sqrt(((one - other) ** 2).mean(axis=1)) <= DIFFERENCE * spread


def looks_of(source: ByteSource, task: Task | None = None) -> Looks:
    """The small grey copies of all images; some 0.3 ms of a core for an image of 300 × 200."""
    count = len(source.listing)
    grey, there = np.zeros((count, EDGE, EDGE), np.uint8), np.zeros(count, bool)

    def look(row: int) -> None:
        try:
            small = grey_copy(source, row)
        except Undecodable:
            return
        if small is not None and small.std() >= FLAT:
            grey[row], there[row] = small, True

    with ThreadPoolExecutor(processors()) as pool:
        for start in range(0, count, RUN):
            rows = range(start, min(start + RUN, count))
            list(pool.map(look, rows))
            if task is not None:
                task.advance(len(rows))
    rows = np.flatnonzero(there)
    return Looks(rows, grey[rows])


def grey_copy(source: ByteSource, row: int) -> np.ndarray | None:
    """The image at position `row` as ``(32, 32) uint8``; None where an edge is shorter than that.

    A JPEG file is decoded at the smallest scale that suffices.
    """
    data = source.read(row)
    image = _small_jpeg(data) if data.startswith(b"\xff\xd8\xff") else source.image(row)
    if min(image.size) < EDGE:
        return None
    return np.asarray(image.convert("L").resize((EDGE, EDGE), Image.Resampling.BOX))


def _small_jpeg(data: bytes) -> Image.Image:
    """The image in `data` in grey, upright, decoded at a scale that leaves twice the edge of a grey copy."""
    with silence():
        try:
            with Image.open(BytesIO(data), formats=FORMATS) as file:
                if file.width * file.height > MAX_PIXELS:
                    raise Undecodable("it is too large")
                turn = UPRIGHT.get(orientation(file))
                file.draft("L", (2 * EDGE, 2 * EDGE))
                image = file.convert("L")
        except Undecodable:
            raise
        except Exception as error:
            raise Undecodable(str(error)) from error
    return image if turn is None else image.transpose(turn)


def perceptual_hashes(grey: np.ndarray) -> np.ndarray:
    """The hash ``(n,) uint64`` of each of ``grey : (n, 32, 32)``, the first bit the most significant.

    Of the cosine transform, the 8 × 8 lowest frequencies but those of the first row and column, row by row: a bit says
    whether the coefficient is above the median of the 64.
    """
    if not len(grey):
        return np.zeros(0, np.uint64)
    parts = [_coefficients(grey[start : start + RUN]) for start in range(0, len(grey), RUN)]
    low = np.concatenate(parts)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def _coefficients(grey: np.ndarray) -> np.ndarray:
    """Frequencies 1 to 8 of both axes, ``(n, 64) float64``; only these, which is less than a whole transform."""
    waves = np.cos(np.pi / (2 * EDGE) * np.outer(np.arange(1, 9), 2 * np.arange(EDGE) + 1))
    return (waves @ grey.astype(np.float64) @ waves.T).reshape(len(grey), BITS)


def close_hashes(hashes: np.ndarray, distance: int = DISTANCE) -> tuple[np.ndarray, np.ndarray]:
    """Positions of all pairs, first below second, whose hashes differ in at most `distance` < 8 bits, sorted.

    Such a pair has a block of 16 bits that differs in at most one bit, so only pairs that share such a block are
    compared: of 100,000 random hashes, one in 1,000 of all pairs.
    """
    codes = [np.zeros(0, np.int64)]
    for start in range(0, BITS, BLOCK_BITS):
        block = (hashes >> np.uint64(start)).astype(np.uint16)
        for mask in (0, *(1 << bit for bit in range(BLOCK_BITS))):
            for first, second in _sharing(block, np.uint16(mask)):
                near = (np.bitwise_count(hashes[first] ^ hashes[second]) <= distance) & (first < second)
                codes.append(first[near] * len(hashes) + second[near])
    found = np.unique(np.concatenate(codes))
    return found // max(len(hashes), 1), found % max(len(hashes), 1)


def _sharing(block: np.ndarray, mask: np.uint16) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All ordered pairs of positions whose blocks differ by `mask`, some millions at a time."""
    order = np.argsort(block, kind="stable")
    ordered = block[order]
    begin, end = (np.searchsorted(ordered, block ^ mask, side) for side in ("left", "right"))
    counts = end - begin
    parts = np.cumsum(counts) // PAIRS
    for rows in np.split(np.arange(len(block)), np.flatnonzero(np.diff(parts)) + 1):
        some = counts[rows]
        offsets = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
        yield np.repeat(rows, some), order[np.repeat(begin[rows], some) + offsets]


def joined(groups: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Groups ``(n,) int64`` after the groups of each of ``pairs : (m, 2)`` of positions have become one.

    >>> joined(np.array([0, 1, 1, 3]), np.array([[0, 2]]))
    array([0, 0, 0, 3])
    """
    leader: dict[int, int] = {}

    def lead(group: int) -> int:
        while group in leader:
            group = leader[group]
        return group

    for one, other in groups[pairs].tolist():
        low, high = sorted((lead(one), lead(other)))
        if low < high:
            leader[high] = low
    return np.array([lead(group) for group in groups.tolist()], np.int64)

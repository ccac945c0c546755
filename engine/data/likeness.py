"""Images that look the same though their files differ: found by a perceptual hash, confirmed on small grey copies.

References
----------
Zauner (2010), "Implementation and benchmarking of perceptual image hash functions", section 3.2.1; Norouzi, Punjani and
Fleet (2012), "Fast search in Hamming space with multi-index hashing".
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

import numpy as np
from PIL import Image

from gapscope.core.progress import Task
from gapscope.data.decode import MAX_PIXELS, UPRIGHT, formats_of, orientation, silence
from gapscope.data.source import ByteSource, Undecodable, readers

# Edge of the grey copies; images with a shorter one have too few pixels to be told apart this way.
EDGE = 32
# Bits in which the hashes of re-encoded, resized copies differ at most; of blocks of 16 bits, one then differs in one.
DISTANCE, BLOCK_BITS, BITS = 6, 16, 64
MASKS = (0, *(1 << bit for bit in range(BLOCK_BITS)))
# Grey copies with a smaller standard deviation are flat, and all alike; in levels of 255.
FLAT = 4.0
# Of the grey copies of a near duplicate: root mean square difference over the standard deviation, at most. Among some
# 6,000 photographs and drawings, copies in other colours or frames reach 0.25; the nearest that differ begin at 0.30.
DIFFERENCE = 0.27
RUN = 512
# Of more images that look alike, each is paired with the first only: all pairs would be as many as their square.
PAIRED = 64


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

    @cached_property
    def hashes(self) -> np.ndarray:
        """Perceptual hashes, (n,) uint64."""
        return perceptual_hashes(self.grey)

    @cached_property
    def leaders(self) -> np.ndarray:
        """Per image the position among `rows` of the first one that a chain of near duplicates connects it with, (n,).

        An image that belongs to a group is compared with those that belong to none yet, so images that all look alike
        take as long as images that do not: some 0.1 ms each. Images whose grey copies are equal count as one.
        """
        first: dict[bytes, int] = {}
        own = np.array([first.setdefault(one.tobytes(), at) for at, one in enumerate(self.grey)], np.int64)
        distinct = np.unique(own)
        index = _HashIndex(self.hashes[distinct])
        leader = np.full(len(self.grey), -1, np.int64)
        for start in range(len(distinct)):
            if index.free[start]:
                index.free[start] = False
                waiting = [start]
                while waiting:
                    one = waiting.pop()
                    leader[distinct[one]] = distinct[start]
                    near = index.near(one)
                    near = near[self.same(distinct[near], np.broadcast_to(distinct[one], len(near)))]
                    index.free[near] = False
                    waiting += near.tolist()
        return leader[own]

    def pairs(self) -> np.ndarray:
        """Positions ``(m, 2) int64`` of near duplicates, the smaller one first, sorted; of more than `PAIRED` images in
        a group, each with the first alone.
        """
        order = np.argsort(self.leaders, kind="stable")
        cuts = np.flatnonzero(np.diff(self.leaders[order])) + 1
        groups = [group for group in np.split(order, cuts) if len(group) > 1]
        result = np.concatenate([self._pairs_in(group) for group in groups] or [np.zeros((0, 2), np.int64)])
        result = self.rows[result]
        return result[np.lexsort([result[:, 1], result[:, 0]])]

    def _pairs_in(self, group: np.ndarray) -> np.ndarray:
        if len(group) > PAIRED:
            return np.stack([np.broadcast_to(group[0], len(group) - 1), group[1:]], axis=1)
        first, second = (group[side] for side in np.triu_indices(len(group), 1))
        close = np.bitwise_count(self.hashes[first] ^ self.hashes[second]) <= DISTANCE
        first, second = first[close], second[close]
        return np.stack([first, second], axis=1)[self.same(first, second)]

    def same(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Whether the grey copies agree, which the hash alone does not say: it knows no brightness and no contrast."""
        starts = range(0, len(first), RUN)
        return np.concatenate([self._agree(first[i : i + RUN], second[i : i + RUN]) for i in starts] or [first > 0])

    def _agree(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        one, other = (self.grey[rows].astype(np.float32).reshape(len(rows), -1) for rows in (first, second))
        spread = np.minimum(one.std(axis=1), other.std(axis=1))
        return np.sqrt(((one - other) ** 2).mean(axis=1)) <= DIFFERENCE * spread


class _HashIndex:
    """Hashes by each of their four blocks of 16 bits, of which two hashes within `DISTANCE` share one but for one bit.

    Attributes
    ----------
    free : (n,) bool
        Which of them are still looked for; the index forgets the others as it meets them.
    """

    def __init__(self, hashes: np.ndarray):
        self.hashes, self.free = hashes, np.ones(len(hashes), bool)
        self._blocks = (hashes[:, None] >> np.arange(0, BITS, BLOCK_BITS).astype(np.uint64)).astype(np.uint16)
        self._tables = [_by_value(self._blocks[:, block]) for block in range(BITS // BLOCK_BITS)]

    def near(self, one: int) -> np.ndarray:
        """Positions of the free hashes that differ from the one at `one` in at most `DISTANCE` bits."""
        result = []
        for table, value in zip(self._tables, self._blocks[one].tolist(), strict=True):
            for mask in MASKS:
                places = table.get(value ^ mask)
                if places is not None:
                    result.append(self._still_free(table, value ^ mask, places) if len(places) > RUN else places)
        places = np.concatenate(result)
        places = np.unique(places[self.free[places]])
        return places[np.bitwise_count(self.hashes[places] ^ self.hashes[one]) <= DISTANCE]

    def _still_free(self, table: dict[int, np.ndarray], value: int, places: np.ndarray) -> np.ndarray:
        free = places[self.free[places]]
        if len(free) * 2 < len(places):
            table[value] = free
        return free


def _by_value(values: np.ndarray) -> dict[int, np.ndarray]:
    """Positions by value."""
    order = np.argsort(values, kind="stable")
    cuts = np.flatnonzero(np.diff(values[order])) + 1
    return {int(values[places[0]]): places for places in np.split(order, cuts) if len(places)}


def looks_of(source: ByteSource, task: Task | None = None, rows: np.ndarray | None = None) -> Looks:
    """The small grey copies of all images, or of those at `rows`; some 0.3 ms of a core for an image of 300 × 200, and
    1 KiB of memory.
    """
    chosen = np.arange(len(source.listing)) if rows is None else rows
    count = len(chosen)
    grey, there = np.zeros((count, EDGE, EDGE), np.uint8), np.zeros(count, bool)

    def look(row: int) -> None:
        try:
            small = grey_copy(source, int(chosen[row]))
        except Undecodable:
            return
        if small is not None and small.std() >= FLAT:
            grey[row], there[row] = small, True

    with ThreadPoolExecutor(readers(source)) as pool:
        for start in range(0, count, RUN):
            places = range(start, min(start + RUN, count))
            list(pool.map(look, places))
            if task is not None:
                task.advance(len(places))
    return Looks(chosen[there], grey[there])


def grey_copy(source: ByteSource, row: int) -> np.ndarray | None:
    """The image at position `row` as ``(32, 32) uint8``; None where an edge is shorter than that.

    A JPEG file is decoded at the smallest scale that suffices.
    """
    data = source.read(row)
    image = _small_jpeg(data) if data.startswith(b"\xff\xd8\xff") else source.decode(row, data)
    if min(image.size) < EDGE:
        return None
    return np.asarray(image.convert("L").resize((EDGE, EDGE), Image.Resampling.BOX))


def _small_jpeg(data: bytes) -> Image.Image:
    """The image in `data` in grey, upright, decoded at a scale that leaves twice the edge of a grey copy."""
    with silence():
        try:
            with Image.open(BytesIO(data), formats=formats_of(data)) as file:
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


def joined(groups: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Groups ``(n,) int64`` after the groups of each of ``pairs : (m, 2)`` of positions have become one.

    >>> joined(np.array([0, 1, 1, 3]), np.array([[0, 2]]))
    array([0, 0, 0, 3])
    """
    from scipy.sparse import coo_array  # here, so that the catalogue opens without loading it
    from scipy.sparse.csgraph import connected_components

    names, own = np.unique(groups, return_inverse=True)
    one, other = own[pairs].T
    graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(len(names), len(names)))
    _, component = connected_components(graph, directed=False)
    lowest = np.full(len(names), names.max(initial=0), names.dtype)
    np.minimum.at(lowest, component, names)
    return lowest[component][own]

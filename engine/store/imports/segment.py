"""Parsed rows on disk between the passes of an import, sorted by bucket, with what a killed import needs to go on."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.core.errors import DamageError
from gapscope.core.files import BLANK, DIGEST, damaged, is_whole, sealed
from gapscope.core.hashing import digest_buffers
from gapscope.core.location import Location
from gapscope.store.imports.shuffle import BUCKETS, buckets_of
from gapscope.store.imports.source import Rows, Vanished
from gapscope.store.smallness import Smallness

SEGMENT_NAME = "segment-{:05d}.bin"
SEGMENT_BYTES = 2**24
SEGMENT_ROWS = 2**18
SEGMENT_TEXT = 2**30
SEGMENT_REJECTED = 2**16


@dataclass
class Draft:
    """Rows gathered for the next segment.

    Attributes
    ----------
    sample_id, x, number, path, digest
        Per block: row numbers, embeddings, label numbers, paths (None without a path column), digests of the text.
    rejected
        ``[sample_id, path, reason, digest]`` of the rows that were refused.
    smallness
        What the blocks say of float16; empty where that is not stored.
    rows, constant, read_bytes
        Rows gathered, those of them whose features are all one number, and bytes of text they came from.
    """

    sample_id: list[np.ndarray] = field(default_factory=list)
    x: list[np.ndarray] = field(default_factory=list)
    number: list[np.ndarray] = field(default_factory=list)
    path: list[pa.StringArray | None] = field(default_factory=list)
    digest: list[np.ndarray] = field(default_factory=list)
    smallness: list[Smallness] = field(default_factory=list)
    rejected: list[list[Any]] = field(default_factory=list)
    rows: int = 0
    constant: int = 0
    read_bytes: int = 0
    vanished: Vanished | None = None

    def add(self, sample_id: np.ndarray, rows: Rows, number: np.ndarray, read_bytes: int) -> None:
        """Take the rows of one block."""
        self.sample_id.append(sample_id)
        self.x.append(rows.x)
        self.number.append(number)
        self.path.append(rows.path)
        self.digest.append(rows.digest)
        self.smallness += [rows.smallness] if rows.smallness is not None else []
        self.rows += len(sample_id)
        self.constant += constant_rows(rows.x)
        self.read_bytes += read_bytes
        if rows.vanished is not None:
            self.vanished = rows.vanished.merge(self.vanished) if self.vanished else rows.vanished

    @property
    def is_full(self) -> bool:
        """Whether it is time to write the segment."""
        return (
            self.rows >= SEGMENT_ROWS
            or sum(x.nbytes for x in self.x) >= SEGMENT_BYTES
            or self.read_bytes >= SEGMENT_TEXT
            or len(self.rejected) >= SEGMENT_REJECTED
        )


def constant_rows(x: np.ndarray) -> int:
    """How many rows of ``x : (n, d)`` hold one number d times, as do those of arrays that were never written to."""
    if x.shape[1] < 2:
        return 0
    candidates = x[x[:, 0] == x[:, -1]]
    return int((candidates == candidates[:, :1]).all(axis=1).sum())


def write_segment(segment: "Segment", draft: Draft, seed: int, state: dict[str, Any]) -> None:
    """Write `draft` as `segment`, atomically: arrays in a row, then `state` and counts as JSON, then its length.

    The JSON holds the digest of the arrays, and that of itself.
    """
    sample_id = np.concatenate([np.empty(0, np.int64), *draft.sample_id])
    first, last = (int(sample_id[0]), int(sample_id[-1])) if len(sample_id) else (0, -1)
    bucket = buckets_of(seed, first, last + 1)[sample_id - first]
    order = np.argsort(bucket, kind="stable")
    ends = np.cumsum(np.bincount(bucket, minlength=BUCKETS), dtype=np.int64)
    number = np.concatenate([np.empty(0, np.int32), *draft.number])[order]
    digest = np.concatenate([np.empty(0, np.uint64), *draft.digest])[order]
    path_ends, path_data = _sorted_paths(draft.path, order) if segment.has_path else (np.empty(0), np.empty(0))
    rows = _sorted_rows(draft.x, order, segment.dim, segment.dtype)
    arrays = [np.ascontiguousarray(one) for one in (sample_id[order], number, digest, ends, path_ends, path_data)]
    meta = {
        **state,
        "rows": len(order),
        "constant": draft.constant,
        "rejected": draft.rejected,
        "vanished": [one.tolist() for one in draft.vanished] if draft.vanished else [],
        "smallness": _together(draft.smallness, segment.dim).as_lists() if draft.smallness else {},
    }
    meta |= {"arrays": digest_buffers([rows.view(np.uint8), *arrays]), DIGEST: BLANK}
    text = sealed(json.dumps(meta).encode())

    def write(file: BinaryIO) -> None:
        file.write(rows.data)
        for array in arrays:
            file.write(array.data)
        file.write(text + len(text).to_bytes(8, "little"))

    segment.place.write_atomically(write)


def _together(parts: Sequence[Smallness], dim: int) -> Smallness:
    """What is known of all parts."""
    result = Smallness(dim)
    for one in parts:
        result.merge(one)
    return result


def _sorted_rows(blocks: Sequence[np.ndarray], order: np.ndarray, dim: int, dtype: str) -> np.ndarray:
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    x = np.empty((len(order), dim), dtype)
    row = 0
    for block in blocks:
        x[place[row : row + len(block)]] = block
        row += len(block)
    return x


def _sorted_paths(blocks: Sequence[pa.StringArray], order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    empty = pa.array([], pa.large_string())
    paths = pa.concat_arrays([empty, *(block.cast(pa.large_string()) for block in blocks)]).take(pa.array(order))
    _, ends, data = paths.buffers()
    if not len(order):
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    return np.frombuffer(ends, np.int64, len(order) + 1), np.frombuffer(data, np.uint8) if data else np.empty(
        0, np.uint8
    )


class Run(NamedTuple):
    """Rows of a segment that share a run of buckets: row numbers, label numbers, digests, and paths or None."""

    sample_id: np.ndarray
    number: np.ndarray
    digest: np.ndarray
    path: pa.LargeStringArray | None


def _blocks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The first `size` bytes of a file in blocks of 1 MiB."""
    while size > 0 and (block := file.read(min(size, 2**20))):
        size -= len(block)
        yield block


@dataclass(frozen=True)
class Segment:
    """A segment on disk whose rows hold `dim` numbers of type `dtype`, and a path if `has_path`."""

    place: Location
    dim: int
    dtype: str
    has_path: bool

    @cached_property
    def _json(self) -> bytes:
        """The text of `meta`."""
        size = self.place.size()
        with self.place.open_input() as file:
            file.seek(max(0, size - 8))
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                raise damaged(self.place, "its end is not what was written")
            file.seek(size - 8 - length)
            text = file.read(length)
        if not is_whole(text):
            raise damaged(self.place, "its bytes are not those that were written")
        return text

    @cached_property
    def meta(self) -> dict[str, Any]:
        """What the segment says about itself, and the state of the import behind it.

        Raises
        ------
        DamageError
            It cannot be read, or is not what was written.
        """
        try:
            return json.loads(self._json)
        except ValueError as error:
            raise damaged(self.place, error) from error

    def is_whole(self) -> bool:
        """Whether the segment is what was written; reads all of it."""
        try:
            arrays = self.meta["arrays"]
            with self.place.open_input() as file:
                return digest_buffers(_blocks(file, self.place.size() - 8 - len(self._json))) == arrays
        except (DamageError, KeyError, OSError):
            return False

    @property
    def rows(self) -> int:
        """Rows of the segment."""
        return self.meta["rows"]

    @cached_property
    def _starts(self) -> list[int]:
        """Where each array begins, in the order of `write_segment`: the last of path bytes."""
        rows = self.rows
        embeddings = rows * self.dim * np.dtype(self.dtype).itemsize
        sizes = [embeddings, rows * 8, rows * 4, rows * 8, BUCKETS * 8, (rows + 1) * 8]
        return [0, *np.cumsum(sizes).tolist()]

    def _array(self, which: int, dtype: type | str, low: int, high: int) -> np.ndarray:
        array = np.empty(high - low, dtype)
        with self.place.open_input() as file:
            file.seek(self._starts[which] + low * array.itemsize)
            read = file.readinto(array.view(np.uint8))
        if read != array.nbytes:  # what was not read is not zeros but whatever lay there
            raise damaged(self.place, "it ends before its rows do")
        return array

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the rows of each bucket begin, and behind them the row count; (BUCKETS + 1,) int64."""
        return np.concatenate([[0], self._array(4, np.int64, 0, BUCKETS)])

    def span(self, low: int, high: int) -> tuple[int, int]:
        """The rows of the buckets ``low <= b < high``."""
        return int(self.starts[low]), int(self.starts[high])

    def read(self, low: int, high: int) -> Run:
        """Rows ``low <= i < high`` without their embeddings."""
        path = self._paths(low, high) if self.has_path else None
        digest = self._array(3, np.uint64, low, high)
        return Run(self._array(1, np.int64, low, high), self._array(2, np.int32, low, high), digest, path)

    def _paths(self, low: int, high: int) -> pa.LargeStringArray:
        ends = self._array(5, np.int64, low, high + 1)
        data = self._array(6, np.uint8, int(ends[0]), int(ends[-1]))
        return pa.LargeStringArray.from_buffers(high - low, pa.py_buffer(ends - ends[0]), pa.py_buffer(data))

    def read_rows(self, low: int, high: int) -> np.ndarray:
        """Embeddings of the rows ``low <= i < high``, (n, d)."""
        return self._array(0, self.dtype, low * self.dim, high * self.dim).reshape(high - low, self.dim)

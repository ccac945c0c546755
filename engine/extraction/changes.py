"""Which images of a store are no longer those that it was made from: their bytes are compared where size or time are
not what they were.
"""

import pickle
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.core.errors import DamageError
from gapscope.core.files import read_table, write_table
from gapscope.core.hashing import digest_bytes
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.data.source import Source, Stamps, Undecodable, read_picture, readers
from gapscope.schemas.embeddings import FILES_NAME, FILES_SCHEMA
from gapscope.store import StoreWriter

# Images that a thread reads one after the other.
BLOCK_IMAGES = 256
UNREADABLE = 0


@dataclass(frozen=True)
class Changes:
    """What a comparison of a store with its images has found.

    Attributes
    ----------
    compared
        Images whose bytes were read.
    images
        Images whose bytes are others than those that their row, or their rejection, was made from.
    parts
        The parts that hold them.
    """

    compared: int
    images: int
    parts: frozenset[int]


def stamps_of_source(source: Source) -> Stamps:
    """Sizes and times of the files of a source; zeros where it has none."""
    return source.stamps() if hasattr(source, "stamps") else Stamps.none(len(source.listing))


def recorded_stamps(folder: Location, count: int) -> Stamps | None:
    """Sizes and times as the store in `folder` has recorded them for its `count` images; None where it has not.

    Not taken: `to_numpy`, which imports pandas, a seventh of what an unchanged set of 100,000 images costs.
    """
    try:
        table = read_table(folder / FILES_NAME)
        stamps = Stamps(*(np.from_dlpack(table[name].combine_chunks()) for name in FILES_SCHEMA.names))
    except (FileNotFoundError, DamageError, KeyError):
        return None
    return stamps if len(stamps.sizes) == count else None


def record_stamps(folder: Location, stamps: Stamps) -> None:
    """Record sizes and times in the store in `folder`."""
    write_table(folder / FILES_NAME, pa.table(list(stamps), schema=FILES_SCHEMA))


def suspects_of(stamps: Stamps, recorded: Stamps | None) -> np.ndarray:
    """Positions in the listing of the images whose size or time is not the recorded one, ``(m,)``; all without any."""
    if recorded is None:
        return np.arange(len(stamps.sizes))
    return np.flatnonzero((stamps.sizes != recorded.sizes) | (stamps.times != recorded.times))


def find_changes(
    source: Source,
    writer: StoreWriter,
    places: Sequence[np.ndarray],
    rejected: Sequence[Mapping[str, Any]],
    suspects: np.ndarray,
    progress: Progress,
) -> Changes:
    """Compare the bytes of the images at `suspects` with what the finished parts of a store were made from.

    Parameters
    ----------
    places
        For each part the listing positions of its images.
    rejected
        The rejected images of the finished parts.
    """
    known = np.full(len(source.listing), UNREADABLE, np.uint64)
    part_of = np.full(len(source.listing), -1)
    for part in _parts_with(places, suspects):
        digests = writer.digests(part)
        if digests is not None:
            rows, values = digests
            known[rows], part_of[places[part]] = values, part
    for row in rejected:
        known[row["sample_id"]] = row["digest"] or UNREADABLE
    rows = suspects[part_of[suspects] >= 0]
    if not len(rows):
        return Changes(0, 0, frozenset())
    with progress.task("comparing images with those that were extracted", len(rows), "images") as task:
        result = digests_of(source, rows, task.advance)
    changed = rows[result != known[rows]]
    return Changes(len(rows), len(changed), frozenset(part_of[changed].tolist()))


def _parts_with(places: Sequence[np.ndarray], suspects: np.ndarray) -> list[int]:
    wanted = np.zeros(1 + max((int(rows.max(initial=-1)) for rows in places), default=-1), bool)
    wanted[suspects] = True
    return [part for part, rows in enumerate(places) if wanted[rows].any()]


def digests_of(source: Source, rows: np.ndarray, advance) -> np.ndarray:
    """The digest of the bytes of each image at `rows`, ``(m,) uint64``; 0 where they cannot be read.

    Each thread has a copy of the source, which may hold an open file.
    """
    frozen = pickle.dumps(source)
    blocks = [rows[start : start + BLOCK_IMAGES] for start in range(0, len(rows), BLOCK_IMAGES)]

    def work(share: list[np.ndarray]) -> list[np.ndarray]:
        own, result = pickle.loads(frozen), []
        for block in share:
            result.append(np.array([_digest(own, int(row)) for row in block], np.uint64))
            advance(len(block))
        return result

    threads = min(readers(source), len(blocks))
    with ThreadPoolExecutor(threads, "compare") as pool:
        shares = list(pool.map(work, [blocks[one::threads] for one in range(threads)]))
    return np.concatenate([shares[number % threads][number // threads] for number in range(len(blocks))])


def _digest(source: Source, row: int) -> int:
    try:
        return digest_bytes(source.read(row)) if hasattr(source, "read") else read_picture(source, row).digest
    except Undecodable as error:
        return error.digest or UNREADABLE
    except OSError:
        return UNREADABLE

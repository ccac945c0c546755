"""The memory that verifying files takes, known before the first of them is read."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import pyarrow.parquet as pq

from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.files import BLOCK, UNREADABLE, holds_digest
from gapscope.core.location import Location

# A part of a store as it is read, decoded and digested, and a file without a digest as values, as multiples of the
# file; a group of rows of a table without one, as a multiple of what it holds.
PART, VALUES, GROUP = 4, 12, 2
# Blocks of a file whose digest is compared, whatever its size; bytes of each file's name.
FIXED, NAME = 8 * BLOCK, 1000


def check_memory(places: Sequence[Location], allowed: str) -> None:
    """Refuse, before the first is read, files of which one cannot be verified; they are read one after another.

    Raises
    ------
    BudgetError
        The projected need of the largest is above what is `allowed`, such as ``2GB``.
    """
    sizes = {folder: Location(folder).sizes() for folder in {place.parent.address for place in places}}
    needed, largest = 0, ""
    for place in places:
        size = sizes[place.parent.address].get(place.name, 0)
        if VALUES * size > needed and (one := _bytes(place, size)) > needed:
            needed, largest = one, f", the largest being {place}"
    what = f"verifying {len(places):,} files{largest}"
    Budget(parse_bytes(allowed)).require(FIXED + NAME * len(places) + needed, what, "raise --memory")


def _bytes(place: Location, size: int) -> int:
    """What reading a file of this size takes beyond blocks of it."""
    suffix = PurePosixPath(place.path).suffix
    if suffix == ".parquet" and place.name.startswith("part-"):
        return PART * size
    if suffix not in (".json", ".parquet", ".safetensors", ".npz", ".npy") or holds_digest(place):
        return 0
    return GROUP * _largest_group(place) if suffix == ".parquet" else VALUES * size


def _largest_group(place: Location) -> int:
    try:
        footer = pq.read_metadata(place.path, filesystem=place.filesystem)
    except UNREADABLE:
        return 0  # the verification says what is wrong with it
    return max((footer.row_group(group).total_byte_size for group in range(footer.num_row_groups)), default=0)

"""Whether the heaps of an HDF5 file, in which texts of any length lie, can be walked through: the library goes round in
one for ever whose headers were overwritten by zeros.
"""

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np

from gapscope.core.errors import InputError

# How a heap begins, with its version; the header of it, and of each text, has 16 bytes.
SIGNATURE, HEADER = b"GCOL\1\0\0\0", 16
# The number of a text, and its size; of the heap itself the size.
TEXT = Struct("<H6xQ")
# What a row holds of a text: its length, where its heap begins, and its number there.
REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("number", "<u4")])


def refuse_broken_heaps(one: Any, where: str) -> None:
    """Refuse a dataset of texts in a file on this machine with a heap that does not end."""
    with Path(one.file.filename).open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        for start in _heaps(one, data):
            if data[start : start + len(SIGNATURE)] == SIGNATURE and not _is_whole(data, start):
                raise InputError(f"the texts of {where} cannot be found in it, byte {start:,}; it is damaged")


def _heaps(one: Any, data: mmap) -> Iterator[int]:
    """Where heaps begin: as the rows say where these stand in one piece, else wherever something looks like one."""
    start, rows = one.id.get_offset(), int(np.prod(one.shape))
    if start is not None and one.id.get_storage_size() == rows * REFERENCE.itemsize <= len(data) - start:
        heaps = np.frombuffer(data[start : start + rows * REFERENCE.itemsize], REFERENCE)["heap"]
        yield from (np.unique(heaps[heaps < len(data)]) + one.file.userblock_size).tolist()
        return
    at = data.find(SIGNATURE)
    while at >= 0:
        yield at
        at = data.find(SIGNATURE, at + 1)


def _is_whole(data: mmap, start: int) -> bool:
    """Whether the texts in the heap at `start`, each a header and a multiple of eight bytes, fill it."""
    end = start + TEXT.unpack_from(data, start)[1]
    if end > len(data):
        return False
    at = start + HEADER
    while at + HEADER <= end:
        number, size = TEXT.unpack_from(data, at)
        length = HEADER + -(-size // 8) * 8 if number else size  # number 0 is what is free, header and all
        if not 0 < length <= end - at:
            return False
        at += length
    return True

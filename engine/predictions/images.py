"""Numbers for images that are known by name, the same in the files of all models."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.text import counted

BITS = (1 << 63) - 1


def ids_of_names(names: Sequence[str]) -> np.ndarray:
    """63-bit hashes ``(n,) int64`` of the images' names, exactly as written; about 0.5 µs each."""
    return np.array([_hashed(name) for name in names], dtype=np.int64)


def _hashed(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") & BITS


def check_ids(sample_id: np.ndarray, where: str, names: Sequence[str] | None = None) -> None:
    """Refuse a table in which an image occurs twice.

    Raises
    ------
    InputError
        It does; the message names the image.
    """
    order = np.argsort(sample_id, kind="stable")
    twice = order[1:][sample_id[order[1:]] == sample_id[order[:-1]]]
    if len(twice):
        first = int(twice.min())
        image = sample_id[first] if names is None else repr(names[first])
        rows = counted(len(twice), "row")
        raise InputError(
            f"{where} has {rows} of an image that it has already, such as {image} in row {first}; keep one row for "
            "each image"
        )

"""Names for contents: the digest of a file and of a configuration."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import numpy as np
import xxhash


def digest_tensors(tensors: Mapping[str, np.ndarray], about: Any) -> str:
    """Digest of arrays by name and of what is said `about` them as plain JSON values, 32 hexadecimal digits."""
    texts = [json.dumps(about, sort_keys=True).encode()]
    for name, array in sorted(tensors.items()):
        texts += [f"{name}\0{array.dtype}\0{array.shape}\0".encode(), np.ascontiguousarray(array).tobytes()]
    return digest_buffers(texts)


def digest_json(value: Any) -> str:
    """SHA-256 of `value` as canonical JSON (sorted keys, no spaces), 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(stream: BinaryIO) -> str:
    """SHA-256 of what is left in `stream`, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    while block := stream.read(2**20):
        digest.update(block)
    return digest.hexdigest()


def digest_bytes(data: bytes) -> int:
    """XXH3 of `data`, an unsigned 64-bit number; some 20 GB/s, so that an image's digest costs less than its reading.

    It tells damage and replacement, not forgery: who wants to can make two files with one digest.
    """
    return xxhash.xxh3_64_intdigest(data)


def digest_buffers(buffers: Iterable[Any]) -> str:
    """128-bit XXH3 of the bytes of `buffers` one after another, 32 hexadecimal digits."""
    digest = xxhash.xxh3_128()
    for buffer in buffers:
        digest.update(buffer)
    return digest.hexdigest()

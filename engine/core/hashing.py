"""Names for contents: the digest of a file and of a configuration."""

import hashlib
import json
from typing import Any, BinaryIO


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

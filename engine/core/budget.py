"""Memory as part of the interface: projected against allowed, and refused before the first byte is read."""

import re
from dataclasses import dataclass

from gapscope.core.errors import BudgetError, InputError

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_bytes(text: str) -> int:
    """Bytes in a size such as ``2GB``, ``512 MiB`` or ``1073741824``; units count in powers of 1024.

    >>> parse_bytes("2GB")
    2147483648
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?\s*", text.upper())
    if not match:
        raise InputError(f"memory size {text!r} is not understood; write it as 2GB or 512MB")
    return int(float(match[1]) * UNITS[match[2]])


def mib(count: int) -> str:
    """`count` bytes as whole mebibytes, for messages."""
    return f"{-(-count // 2**20):,} MiB"


@dataclass(frozen=True)
class Budget:
    """How many bytes a job may keep in memory beside the interpreter and its libraries."""

    allowed: int = 2 * 2**30

    def require(self, needed: int, what: str, way_out: str) -> None:
        """Refuse `what` when its projected `needed` bytes exceed what is allowed, naming both and the `way_out`."""
        if needed > self.allowed:
            raise BudgetError(
                f"{what} needs about {mib(needed)} of memory but --memory allows {mib(self.allowed)}; {way_out}"
            )

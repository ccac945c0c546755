"""A JSON list that is written a value at a time, so that no list is held."""

import json
from collections.abc import Iterable
from typing import Any, BinaryIO

from gapscope.core.location import Location


def write_list(place: Location, values: Iterable[Any], before: str = "[", after: str = "]") -> int:
    """Write `values` between `before` and `after`, one on each line; how many there were."""
    count = 0

    def write(file: BinaryIO) -> None:
        nonlocal count
        file.write(before.encode())
        for value in values:
            file.write(f"{',' if count else ''}\n{json.dumps(value, allow_nan=False)}".encode())
            count += 1
        file.write(f"\n{after}\n".encode())

    place.write_atomically(write)
    return count

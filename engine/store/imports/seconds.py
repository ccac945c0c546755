"""Time that an import spends, by kind of work."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

KINDS = ("reading", "parsing", "spilling", "shuffling", "writing", "total")


@dataclass
class Seconds:
    """Time spent, by kind of work; parsing adds up over threads, which work at the same time."""

    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))

    def timed(self, kind: str, work: Callable[..., Any], *args: Any) -> Any:
        """``work(*args)``, its time counted as `kind`."""
        began = perf_counter()
        try:
            return work(*args)
        finally:
            self.spent[kind] += perf_counter() - began

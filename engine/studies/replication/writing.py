"""How numbers are written in sentences and tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Found = Mapping[str, Any]
SURE = 0.05


def points(share: float, digits: int = 1) -> str:
    """A difference of shares as percentage points."""
    return f"{100 * share:.{digits}f}"


def percent(share: float, digits: int = 1) -> str:
    """A share in percent."""
    return f"{100 * share:.{digits}f} %"


def chance(p: float) -> str:
    """A p-value for a sentence.

    >>> chance(0.04321), chance(1e-9)
    ('p = 0.043', 'p < 0.0001')
    """
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def between(interval: Sequence[float], digits: int = 1) -> str:
    """An interval of shares in percentage points."""
    return f"{points(interval[0], digits)} to {points(interval[1], digits)}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left."""
    lines = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def first(found: Found) -> Mapping[str, Any]:
    """What was found for the first replication."""
    return found["by_target"][found["primary"]]


def reach(bounds: Sequence[int]) -> str:
    """The smallest and largest of some counts."""
    return str(bounds[0]) if bounds[0] == bounds[1] else f"{bounds[0]} to {bounds[1]}"

"""How numbers stand in the sentences of the page."""

from collections.abc import Mapping, Sequence
from typing import Any

Estimate = Mapping[str, float | None]


def percent(share: float) -> str:
    """A share in percent.

    >>> percent(0.757)
    '75.7 %'
    """
    return f"{100 * share:.1f} %"


def points(change: float) -> str:
    """A difference of shares in percentage points, without its sign.

    >>> points(-0.354)
    '35.4 points'
    """
    return f"{abs(100 * change):.1f} points"


def span(low: float | None, high: float | None) -> str:
    """An interval of shares or of their differences; nothing where there is none.

    >>> span(0.748, 0.765), span(None, None)
    ('95 % interval 74.8 to 76.5', '')
    """
    return "" if low is None or high is None else f"95 % interval {100 * low:.1f} to {100 * high:.1f}"


def in_brackets(text: str) -> str:
    """` (text)`, or nothing.

    >>> in_brackets("n = 5"), in_brackets("")
    (' (n = 5)', '')
    """
    return f" ({text})" if text else ""


def listed(names: Sequence[str], most: int = 3) -> str:
    """Some names as a part of a sentence.

    >>> listed(["cat", "dog", "ship", "truck", "deer"])
    'cat, dog, ship and 2 more'
    """
    shown, rest = list(names[:most]), len(names) - most
    if rest > 0:
        return f"{', '.join(shown)} and {rest:,} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> counted(1, "class", "classes"), counted(1200, "image")
    ('1 class', '1,200 images')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def set_name(row: Mapping[str, Any]) -> str:
    """``dataset/split`` of a result."""
    return f"{row['dataset']}/{row['split']}" if row["split"] else row["dataset"]


def upper(text: str) -> str:
    """The text with a large first letter."""
    return text[:1].upper() + text[1:]

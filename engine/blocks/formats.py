"""How numbers and lists of names are written, the same way on every page, picture and terminal."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gapscope.blocks.blocks import Cell, Estimate, Kind

NONE = "-"
# Words of metrics and methods that the field writes in capitals, and otherwise.
ABBREVIATIONS = frozenset("ece mcc f1 auroc aurc augrc auc mmd c2st ks psi atc mc ne cot gde".split())
SHORT = {
    **{f"top{k}": f"top-{k}" for k in range(2, 6)},
    "doc": "DoC",
    "aline": "ALine",
    "frechet": "Fréchet",
    "wasserstein": "Wasserstein",
    "mahalanobis": "Mahalanobis",
}
# Below this a p-value is only said to be small.
SMALLEST_P = 1e-4
# A command in a sentence: between backticks that no letter touches from outside.
COMMAND = re.compile(r"(?<![^\s(])`(?!\s)(.+?)(?<!\s)`(?!\w)")


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


def signed(change: float) -> str:
    """A difference of shares in points with its sign; zero has none.

    >>> signed(0.354), signed(-0.0001)
    ('+35.4', '0.0')
    """
    text = f"{100 * change:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def p_value(p: float) -> str:
    """A p-value with two digits; a very small one is only said to be small.

    >>> p_value(0.0312), p_value(1e-9)
    ('0.031', '< 0.0001')
    """
    return f"< {SMALLEST_P:.4f}" if p < SMALLEST_P else f"{p:.2g}"


def number(value: float) -> str:
    """Four digits, or whole thousands.

    >>> number(0.123456), number(123456.7)
    ('0.1235', '123,457')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def span(low: float | None, high: float | None) -> str:
    """An interval of shares or of their differences for a sentence; nothing where there is none.

    >>> span(0.748, 0.765), span(None, None)
    ('95 % interval 74.8 to 76.5', '')
    """
    return "" if low is None or high is None else f"95 % interval {100 * low:.1f} to {100 * high:.1f}"


def span_of(value: float, low: float | None, high: float | None) -> str:
    """The interval of a difference that the sentence says without its sign.

    >>> span_of(-0.02, -0.05, 0.01)
    '95 % interval -1.0 to 5.0'
    """
    return span(low, high) if value >= 0 or low is None or high is None else span(-high, -low)


def cell_text(cell: Cell, kind: Kind) -> str:
    """A cell with its interval.

    >>> cell_text(Estimate(0.364, 0.275, 0.447), "share"), cell_text(None, "p"), cell_text(1200, "count")
    ('36.4 % (27.5 to 44.7)', '-', '1,200')
    """
    interval = interval_text(cell, kind)
    return f"{value_text(cell, kind)} ({interval})" if interval else value_text(cell, kind)


def value_text(cell: Cell, kind: Kind) -> str:
    """A cell without its interval."""
    value = value_of(cell)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NONE
    if kind == "text":
        return str(value)
    write = {"count": lambda n: f"{n:,}", "share": percent, "change": signed, "number": number, "p": p_value}
    return write[kind](value)


def interval_text(cell: Cell, kind: Kind) -> str:
    """The interval of a cell, with the sign and unit of its kind; empty where there is none.

    >>> interval_text(Estimate(0.1, 0.05, 0.15), "change")
    '+5.0 to +15.0'
    """
    if not isinstance(cell, Estimate) or cell.low is None or cell.high is None:
        return ""
    low, high = (value_text(end, kind).removesuffix(" %") for end in (cell.low, cell.high))
    return f"{low} to {high}"


def value_of(cell: Cell) -> Any:
    """What a cell holds, without its interval."""
    return cell.value if isinstance(cell, Estimate) else cell


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


def set_name(row: Mapping[str, Any]) -> str:
    """``dataset/split`` of a result."""
    return f"{row['dataset']}/{row['split']}" if row["split"] else row["dataset"]


def upper(text: str) -> str:
    """The text with a large first letter."""
    return text[:1].upper() + text[1:]


def parts_of(text: str) -> list[tuple[str, bool]]:
    """A sentence in its parts, and which of them are commands; a backtick within a word is one of a name.

    >>> parts_of("run `gap` now"), parts_of("class a`b")
    ([('run ', False), ('gap', True), (' now', False)], [('class a`b', False)])
    """
    return [(part, bool(place % 2)) for place, part in enumerate(COMMAND.split(text)) if part]


def without_code(text: str) -> str:
    """The sentence without the backticks around its commands."""
    return "".join(part for part, _ in parts_of(text))


def metric_words(metric: str) -> str:
    """A metric in words.

    >>> metric_words("macro_f1"), metric_words("mmd_p_value")
    ('macro F1', 'MMD, p-value')
    """
    name, tested, _ = metric.partition("_p_value")
    words = name.replace("_", " ").split(" ")
    shown = " ".join(SHORT.get(word, word.upper() if word in ABBREVIATIONS else word) for word in words)
    return f"{shown}, p-value" if tested else shown

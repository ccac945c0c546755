"""HTML from the findings: one file that needs nothing else and asks the network for nothing."""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

TEMPLATE = "page.html.j2"
NONE, MINUS = "–", "−"
# Below this a p-value is only said to be small.
SMALLEST_P = 1e-4
# Bars of intervals: their width and the margin at their ends, in the units of the drawing.
WIDTH, MARGIN = 120.0, 4.0
BARS = ("share", "change")


def render(found: Mapping[str, Any]) -> str:
    """The page; 50 ms for a usual one. All text is escaped."""
    return _environment().get_template(TEMPLATE).render(found=found)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gapscope.reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"written": written, "order": order, "code": code_parts, "size": size}
    environment.globals |= {"axis_of": axis_of, "bar": bar, "span_of": span_of}
    return environment


def written(value: Any, kind: str) -> str:
    """A cell without its interval.

    >>> written({"value": 0.757, "low": None, "high": None}, "share"), written(1e-9, "p"), written(1200, "count")
    ('75.7 %', '< 0.0001', '1,200')
    """
    value = _value(value)
    if value is None:
        return NONE
    if kind == "text":
        return str(value)
    if kind == "count":
        return f"{value:,}"
    if kind == "p":
        return f"< {SMALLEST_P:.4f}" if value < SMALLEST_P else f"{value:.2g}"
    return _measure(value, kind)


def _measure(value: float, kind: str) -> str:
    if kind == "share":
        return f"{100 * value:.1f} %"
    if kind == "change":
        told = f"{100 * value:+.1f}"
        return "0.0" if told in ("+0.0", "-0.0") else told.replace("-", MINUS)
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", MINUS)


def _value(cell: Any) -> Any:
    return cell["value"] if isinstance(cell, Mapping) else cell


def span_of(cell: Any, kind: str) -> str:
    """The interval of a cell; empty where there is none.

    >>> span_of({"value": 0.1, "low": 0.05, "high": 0.15}, "change")
    '+5.0 to +15.0'
    """
    if not isinstance(cell, Mapping) or cell["low"] is None or cell["high"] is None:
        return ""
    low, high = (_measure(cell[end], kind).removesuffix(" %") for end in ("low", "high"))
    return f"{low} to {high}"


def order(value: Any, kind: str) -> str:
    """What a column is sorted by: a number, or the text itself; empty for nothing, which stands last."""
    value = _value(value)
    return "" if value is None else str(value) if kind == "text" else repr(float(value))


class Axis(NamedTuple):
    """The column whose intervals are drawn, and the ends of its axis; a column before the first where there is none."""

    place: int
    ends: tuple[float, float] | None


def axis_of(block: Mapping[str, Any]) -> Axis:
    """The first column of a table that has intervals of shares or of changes."""
    for place, column in enumerate(block["columns"]):
        cells = [row[place] for row in block["rows"] if _has_interval(row[place])]
        if column["kind"] in BARS and len(cells) > 1:
            low, high = min(cell["low"] for cell in cells), max(cell["high"] for cell in cells)
            return Axis(place, (low, high) if high > low else None)
    return Axis(-1, None)


def _has_interval(cell: Any) -> bool:
    return isinstance(cell, Mapping) and None not in (cell["value"], cell["low"], cell["high"])


def bar(cell: Any, axis: tuple[float, float]) -> dict[str, float | None] | None:
    """Where the interval, its value and zero stand in a drawing `WIDTH` wide; zero only if it is on the axis."""
    if not _has_interval(cell):
        return None
    low, high, value, zero = (_along(one, axis) for one in (cell["low"], cell["high"], cell["value"], 0.0))
    return {"low": low, "high": high, "value": value, "zero": zero if axis[0] < 0 < axis[1] else None}


def _along(value: float, axis: tuple[float, float]) -> float:
    return round(MARGIN + (WIDTH - 2 * MARGIN) * (value - axis[0]) / (axis[1] - axis[0]), 1)


def code_parts(text: str) -> list[tuple[str, bool]]:
    """A sentence in its parts, and which of them are commands, between backticks.

    >>> code_parts("run `gap` now")
    [('run ', False), ('gap', True), (' now', False)]
    """
    return [(part, bool(place % 2)) for place, part in enumerate(text.split("`")) if part]


def size(count: int) -> str:
    """Bytes in a unit that people read.

    >>> size(1021394944)
    '974 MiB'
    """
    return f"{count / 2**20:,.0f} MiB"

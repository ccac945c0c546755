"""What a section of the page is made of, as plain values: sentences, tables, figures and images."""

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gapscope.draw.canvas import title_of

Block = dict[str, Any]
# How the values of a column are written. A share, a change and a number may be an estimate with its interval.
KINDS = ("text", "count", "share", "change", "number", "p")


def number(value: Any) -> float | None:
    """A finite number, or None.

    >>> number(0.5), number(float("nan")), number(None)
    (0.5, None, None)
    """
    return None if value is None or not math.isfinite(value) else float(value)


def estimate(value: Any, low: Any = None, high: Any = None) -> dict[str, float | None]:
    """A value with its 95 % interval, where it has one."""
    return {"value": number(value), "low": number(low), "high": number(high)}


def of_row(row: Mapping[str, Any]) -> dict[str, float | None]:
    """The estimate in a row with ``value``, ``low`` and ``high``."""
    return estimate(row["value"], row["low"], row["high"])


def table(caption: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> Block:
    """A table whose ``columns[name]`` is one of `KINDS`; the first column names its row."""
    return {
        "caption": caption,
        "columns": [{"name": name, "kind": kind} for name, kind in columns.items()],
        "rows": [list(row) for row in rows],
    }


def figure(name: str, png: bytes, alt: str, caption: str = "") -> Block:
    """A picture; `alt` says what it shows and what follows from it.

    Without a caption `alt` stands below the picture, and what is written on the picture itself goes on behind it.
    """
    written = "" if caption else title_of(png)
    told = f"{alt}. {written}" if written and written not in alt else alt
    return {"name": name, "src": data_address(png, "png"), "bytes": len(png), "alt": told, "caption": caption or alt}


def data_address(content: bytes, kind: str) -> str:
    """An image as a data: address."""
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def section(
    name: str,
    title: str,
    *,
    sentences: Sequence[str] = (),
    tables: Sequence[Block] = (),
    figures: Sequence[Block] = (),
    galleries: Sequence[Block] = (),
) -> Block | None:
    """A section; None where it would hold nothing."""
    shown = [one for one in tables if one["rows"]]
    if not (sentences or shown or figures or galleries):
        return None
    return {
        "name": name,
        "title": title,
        "sentences": [one for one in sentences if one],
        "tables": shown,
        "figures": list(figures),
        "galleries": list(galleries),
    }

"""What a person has set in the explorer, as a frozen value that a link carries."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import urlencode

from gapscope.explorer.points import Points, Window

TOGETHER, BESIDE = "together", "beside"
# What a link carries beside the state, so that the server answers it.
TOKEN = "token"
CORNERS = 4
# Corners of a loop that a link carries: more make no address that a browser takes.
MOST_CORNERS = 1000
Outline: TypeAlias = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class State:
    """Everything that a link restores.

    Attributes
    ----------
    colour
        Key of a colouring.
    only
        Name of the category that is looked at alone; empty for all.
    search
        What is looked for.
    view
        `TOGETHER`: all sets on one map; `BESIDE`: two, side by side.
    left, right
        Names of these two.
    window
        The part of the map that is seen, ``(x0, x1, y0, y1)``; None for all of it.
    point
        Name of the point that was clicked; empty for none.
    outline
        The corners of the loop that was drawn, ``((x, y), …)``, or two opposite ones of a box; empty for none.
    on
        On which of two maps side by side it was drawn, 0 or 1.
    sort
        Key of a colouring by numbers, by which selected images stand in order; empty for their own order.
    """

    colour: str = ""
    only: str = ""
    search: str = ""
    view: str = TOGETHER
    left: str = ""
    right: str = ""
    window: Window | None = None
    point: str = ""
    outline: Outline = ()
    on: int = 0
    sort: str = ""

    def query(self, points: Points, more: Mapping[str, str] | None = None) -> str:
        """The query of a link, with its question mark; says `more`, what differs from the beginning and nothing else.

        ``State.of(parsed, points)`` gives the same state back.
        """
        begin = first_state(points)
        names = ("colour", "only", "search", "sort", "view", "left", "right", "point")
        fields = {name: getattr(self, name) for name in names}
        said = {name: value for name, value in fields.items() if value != getattr(begin, name)}
        said = dict(more or {}) | said
        if self.window:
            said["window"] = ",".join(f"{edge:.6g}" for edge in self.window)
        if self.outline:
            said["outline"] = ";".join(f"{x:.6g},{y:.6g}" for x, y in self.outline)
        if self.on:
            said["on"] = "1"
        return f"?{urlencode(said)}" if said else ""

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]], points: Points) -> "State":
        """The state of a parsed query; what these points do not have is left at its beginning."""
        begin = first_state(points)
        said = {name: values[0] for name, values in query.items() if values}
        names = {one.name for one in points.sets}
        colour = _known(said.get("colour"), points.colourings, begin.colour)
        return replace(
            begin,
            colour=colour,
            only=_known(said.get("only"), points.colourings[colour].names, ""),
            search=said.get("search", ""),
            sort=_known(said.get("sort"), sortable(points), ""),
            view=_known(said.get("view"), (TOGETHER, BESIDE) if len(names) > 1 else (TOGETHER,), TOGETHER),
            left=_known(said.get("left"), names, begin.left),
            right=_known(said.get("right"), names, begin.right),
            point=_point(said.get("point", ""), points),
            window=_window(said.get("window", "")),
            outline=_outline(said.get("outline", "")),
            on=int(said.get("on") == "1"),
        )


def sortable(points: Points) -> dict[str, str]:
    """Titles of the colourings by numbers, by key."""
    return {key: one.title for key, one in points.colourings.items() if one.values is not None}


def first_state(points: Points) -> State:
    """What is shown before anything was set: the first colouring of all points, and the first two sets to compare."""
    names = [one.name for one in points.sets]
    return State(colour=next(iter(points.colourings)), left=names[0], right=names[1] if len(names) > 1 else "")


def _known(value, known, otherwise: str) -> str:
    return value if value in known else otherwise


def _point(name: str, points: Points) -> str:
    """The name of a point if there is such a point."""
    return "" if points.named(name) is None else name


def _window(text: str) -> Window | None:
    """Four finite numbers that enclose an area, else None.

    >>> _window("0,1,0,2"), _window("0,1,2,nan"), _window("1,0,0,1")
    ((0.0, 1.0, 0.0, 2.0), None, None)
    """
    try:
        edges = tuple(float(part) for part in text.split(","))
    except ValueError:
        return None
    if len(edges) != CORNERS or not all(map(math.isfinite, edges)):
        return None
    return edges if edges[0] < edges[1] and edges[2] < edges[3] else None


def rounded(corners: Iterable[tuple[float, float]]) -> Outline:
    """The corners of an outline as a link writes them, so that what is selected is what the link restores; of a loop
    with very many corners, every second, third …

    >>> rounded([(0.12345678, 1.0)])
    ((0.123457, 1.0),)
    """
    every = list(corners)
    step = -(-len(every) // MOST_CORNERS) or 1
    return tuple((float(f"{x:.6g}"), float(f"{y:.6g}")) for x, y in every[::step])


def _outline(text: str) -> Outline:
    """Two finite numbers for each of two corners or more, else nothing.

    >>> _outline("0,1;2,3"), _outline("0,1"), _outline("0,nan;1,1")
    (((0.0, 1.0), (2.0, 3.0)), (), ())
    """
    try:
        corners = tuple((float(x), float(y)) for x, y in (part.split(",") for part in text.split(";") if part))
    except ValueError:
        return ()
    known = len(corners) > 1 and all(math.isfinite(edge) for corner in corners for edge in corner)
    return corners[:MOST_CORNERS] if known else ()

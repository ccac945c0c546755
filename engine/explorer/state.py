"""What a person has set in the explorer, as a frozen value that a link carries."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from gapscope.explorer.points import Points, Window

TOGETHER, BESIDE = "together", "beside"
CORNERS = 4


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
    """

    colour: str = ""
    only: str = ""
    search: str = ""
    view: str = TOGETHER
    left: str = ""
    right: str = ""
    window: Window | None = None
    point: str = ""

    def query(self, points: Points) -> str:
        """The query of a link, with its question mark; says what differs from the beginning and nothing else.

        ``State.of(parsed, points)`` gives the same state back.
        """
        begin = first_state(points)
        fields = {name: getattr(self, name) for name in ("colour", "only", "search", "view", "left", "right", "point")}
        said = {name: value for name, value in fields.items() if value != getattr(begin, name)}
        if self.window:
            said["window"] = ",".join(f"{edge:.6g}" for edge in self.window)
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
            view=_known(said.get("view"), (TOGETHER, BESIDE) if len(names) > 1 else (TOGETHER,), TOGETHER),
            left=_known(said.get("left"), names, begin.left),
            right=_known(said.get("right"), names, begin.right),
            point=_point(said.get("point", ""), points),
            window=_window(said.get("window", "")),
        )


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

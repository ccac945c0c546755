"""What one browser window shows and does: it holds the state, and draws what has changed."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from bokeh.events import RangesUpdate, Reset, SelectionGeometry, Tap
from bokeh.models import Range1d

from gapscope.explorer.figure import Chart
from gapscope.explorer.neighbours import Stores, neighbours_of
from gapscope.explorer.phrases import MARK
from gapscope.explorer.points import Points, Window
from gapscope.explorer.selecting import both, category_of, found_by, in_order, inside_box, inside_outline, nearest_point
from gapscope.explorer.shading import Frame, shade
from gapscope.explorer.state import BESIDE, Outline, State, rounded
from gapscope.explorer.view import fitted
from gapscope.explorer.wires import Wires
from gapscope.stream import connect

Array = np.ndarray
# Milliseconds in which further turns of the wheel are awaited before the map is drawn.
TOGETHER_MS = 30
# How near the pointer has to be to a point, in pixels.
REACH = 9
NEIGHBOURS = 24
# Corners of an outline that is a box.
BOX = 2


@dataclass
class Session:
    """One window of the explorer; `changed` is called with what else has to be shown anew.

    Attributes
    ----------
    points, stores
        The map, and the embeddings behind it.
    state
        What a link restores.
    drawn
        The points of the last loop, box or search of neighbours, in its order; None for none.
    how
        How they were chosen, where it has to be said.
    kept, hovered
        The point that was clicked, and the one under the pointer.
    """

    points: Points
    stores: Stores
    state: State
    changed: Callable[[str], None] = field(default=lambda _what: None)
    drawn: Array | None = None
    how: str = ""
    kept: int | None = None
    hovered: int | None = None
    first: int = 0
    document: Any = None
    _due: bool = False
    _masks: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self):
        self.wires = Wires(self.point_at, self.press)
        self.kept = self.points.named(self.state.point)
        x0, x1, y0, y1 = self.state.window or self.points.extent
        self.ranges = Range1d(x0, x1), Range1d(y0, y1)
        self.charts = [Chart.empty(number, self.ranges, self.wires.by_name()) for number in range(min(2, self.sets))]
        for number, chart in enumerate(self.charts):
            self._listen(number, chart)
        self.drawn = self._inside()

    @property
    def sets(self) -> int:
        """How many sets are on the map."""
        return len(self.points.sets)

    @property
    def window(self) -> Window:
        """What is seen of the map."""
        across, up = self.ranges
        return float(across.start), float(across.end), float(up.start), float(up.end)

    def _listen(self, number: int, chart: Chart) -> None:
        chart.when_laid_out(self.fit)
        chart.figure.on_event(RangesUpdate, lambda _event: self.moved())
        chart.figure.on_event(Reset, lambda _event: self.update(window=None))
        chart.figure.on_event(Tap, lambda event: self.keep(self.at(number, event.x, event.y)))
        chart.figure.on_event(SelectionGeometry, lambda event: self.outlined(number, event))

    # What is looked at.

    def _once(self, key: tuple, make: Callable[[], Array | None]) -> Array | None:
        """A mask that is made when its `key` changes, not at each zoom."""
        if self._masks.get(key[0], (None, None))[0] != key:
            self._masks[key[0]] = key, make()
        return self._masks[key[0]][1]

    def searched(self) -> Array | None:
        """The points that the search finds, ``(n,) bool``; None for all."""
        return self._once(("search", self.state.search), self._found)

    def _found(self) -> Array | None:
        phrases, text = self.stores and self.stores.phrases, self.state.search
        if phrases and text.startswith(MARK) and text != MARK:
            return phrases.found_by(self.points, text.removeprefix(MARK))
        return found_by(self.points, text)

    def narrowed(self) -> Array | None:
        """The points that search and legend leave, ``(n,) bool``; None for all."""
        colour, only = self.state.colour, self.state.only
        category = self._once(("only", colour, only), lambda: category_of(self.points, colour, only))
        return self._once(("both", self.state.search, colour, only), lambda: both(self.searched(), category))

    def selected(self) -> Array | None:
        """The points ``(m,)`` that were drawn around and that search and legend leave; None where nothing was drawn."""
        mask = self.narrowed()
        chosen = self.drawn if self.drawn is None or mask is None else self.drawn[mask[self.drawn]]
        return chosen if chosen is None else in_order(self.points, chosen, self.state.sort)

    def focus(self) -> Array | None:
        """The points in colour, ``(n,) bool``; None for all."""
        return both(self.narrowed(), self._outline())

    def _outline(self) -> Array | None:
        if self.drawn is None:
            return None
        mask = np.zeros(self.points.n, bool)
        mask[self.drawn] = True
        return mask

    def counts(self) -> Array:
        """Points of each category of the legend, among those searched and selected."""
        return self.points.colourings[self.state.colour].counts(both(self.searched(), self._outline()))

    def on_map(self, number: int) -> Array | None:
        """The points that map `number` shows, ``(n,) bool``; None for all."""
        if self.state.view != BESIDE:
            return None
        name = (self.state.left, self.state.right)[number]
        names = [one.name for one in self.points.sets]
        return self._once((f"map {number}", name), lambda: self.points.member == names.index(name))

    def title(self, number: int) -> str:
        """What stands above map `number`."""
        mask = self.on_map(number)
        name = (self.state.left, self.state.right)[number] if mask is not None else "all points"
        if self.sets == 1:
            name = self.points.sets[0].name
        return f"{name} · {self.points.n if mask is None else int(mask.sum()):,}"

    # What a person does.

    def update(self, **fields: Any) -> None:
        """Change fields of the state and show what follows from them."""
        before, self.state = self.state, replace(self.state, **fields)
        if self.state == before:
            return
        self.first = 0
        if self.state.window != before.window:
            self.fit()
        self.changed("state")
        self.draw_soon()

    def moved(self) -> None:
        """The window was dragged or zoomed."""
        self.state = replace(self.state, window=self.window)
        self.changed("window")
        self.draw_soon()

    def fit(self) -> None:
        """Bring the window into the figure's proportions."""
        frame = self.charts[0].frame(self.window)
        if frame is None:
            return
        window = fitted(self.state.window or self.points.extent, frame.width, frame.height)
        for axis, low, high in ((self.ranges[0], *window[:2]), (self.ranges[1], *window[2:])):
            axis.update(start=low, end=high)
        self.draw_soon()

    def outlined(self, number: int, event: SelectionGeometry) -> None:
        """A loop or a box was drawn on map `number`; an empty one selects nothing, and clears."""
        if event.final:
            self.state = replace(self.state, outline=rounded(corners_of(event.geometry)), on=number)
            chosen, narrowed = self._inside(), self.narrowed()
            if chosen is not None and narrowed is not None and not narrowed[chosen].any():
                chosen = None
            self._take(chosen)

    def _inside(self) -> Array | None:
        """The points ``(m,)`` inside the outline that was drawn; None where there are none."""
        if not self.state.outline:
            return None
        mask = both(inside(self.points, self.state.outline), self.on_map(min(self.state.on, len(self.charts) - 1)))
        return np.flatnonzero(mask) if mask.any() else None

    def select(self, chosen: Array | None, how: str = "") -> None:
        """Select these points, or none."""
        self.state = replace(self.state, outline=(), on=0)
        self._take(chosen, how)

    def _take(self, chosen: Array | None, how: str = "") -> None:
        if chosen is None:
            self.state = replace(self.state, outline=(), on=0)
        self.drawn, self.how, self.first = chosen, how, 0
        self.changed("selection")
        self.draw_soon()

    def at(self, number: int, x: float, y: float) -> int | None:
        """The point under the pointer on map `number`, among those in colour."""
        frame = self.charts[number].frame(self.window)
        if frame is None:
            return None
        reach = REACH * frame.pixel[0], REACH * frame.pixel[1]
        return nearest_point(self.points, x, y, reach, both(self.focus(), self.on_map(number)))

    def point_at(self, number: int, x: float, y: float) -> None:
        """The pointer has moved."""
        result = self.at(number, x, y) if 0 <= number < len(self.charts) else None
        if result != self.hovered:
            self.hovered = result
            self.changed("hovered")
            self.mark()

    def keep(self, point: int | None) -> None:
        """A point was clicked; a click beside all points changes nothing."""
        if point is not None:
            self._hold(point)

    def press(self, act: str, value: str) -> None:
        """A button of the page was pressed; what no button says is ignored."""
        acts = {
            "only": lambda: self.update(only="" if value == self.state.only else value),
            "keep": lambda: self.keep(_number(value, self.points.n)),
            "neighbours": self.ask_neighbours,
            "unkeep": self.put_away,
            "clear": lambda: self.select(None),
            "page": lambda: self.turn(_number(value, self.points.n)),
        }
        acts.get(act, lambda: None)()

    def put_away(self) -> None:
        """Keep no point."""
        self._hold(None)

    def _hold(self, point: int | None) -> None:
        self.kept = point
        self.state = replace(self.state, point="" if point is None else self.points.name(point))
        self.changed("kept")
        self.mark()

    def turn(self, first: int | None) -> None:
        """Show other images of the selection."""
        self.first = first or 0
        self.changed("images")

    def ask_neighbours(self) -> None:
        """Search the neighbours of the kept point beside all else, and select them."""
        if self.kept is not None:
            self.changed("searching")
            self.document.add_next_tick_callback(self._select_neighbours)

    async def _select_neighbours(self) -> None:
        point = self.kept
        result, how = await asyncio.get_running_loop().run_in_executor(None, self._neighbours, point)
        self.state = replace(self.state, search="", only="")
        self.changed("state")
        self.select(result, how)
        self.changed("kept")

    def _neighbours(self, point: int) -> tuple[Array, str]:
        with connect() as workers:
            return neighbours_of(self.points, self.stores, point, NEIGHBOURS, workers)

    # What is drawn.

    def draw_soon(self) -> None:
        """Draw when no further change has come for a moment."""
        if self.document is None or self._due:
            return
        self._due = True
        self.document.add_timeout_callback(self.draw, TOGETHER_MS)

    def draw(self) -> None:
        """Draw all maps as they are to be now."""
        self._due = False
        focus = self.focus()
        for number, chart in enumerate(self.charts[: 2 if self.state.view == BESIDE else 1]):
            frame = chart.frame(self.window)
            if frame is not None:
                chart.show(self.picture(number, frame, focus), frame.window)
                chart.figure.title.text = self.title(number)
        self.mark()

    def picture(self, number: int, frame: Frame, focus: Array | None) -> Array:
        """The picture of map `number`."""
        points, colouring, mask = self.points, self.points.colourings[self.state.colour], self.on_map(number)
        columns = points.x, points.y, colouring.code
        if mask is not None:
            columns = tuple(column[mask] for column in columns)
            focus = None if focus is None else focus[mask]
        return shade(*columns, colouring.rgb, focus, frame)

    def mark(self) -> None:
        """Ring the kept point and the one under the pointer, on the maps that show them."""
        ringed = [point for point in dict.fromkeys((self.kept, self.hovered)) if point is not None]
        for number, chart in enumerate(self.charts):
            mask = self.on_map(number)
            here = [point for point in ringed if mask is None or mask[point]]
            chart.mark(self.points.x[here].tolist(), self.points.y[here].tolist())


def corners_of(geometry: Mapping[str, Any]) -> list[tuple[float, float]]:
    """The corners of a loop, or two opposite ones of a box, from what Bokeh says in the map's units."""
    if geometry["type"] == "rect":
        return [(geometry["x0"], geometry["y0"]), (geometry["x1"], geometry["y1"])]
    return list(zip(geometry["x"], geometry["y"], strict=True))


def inside(points: Points, outline: Outline) -> Array:
    """Which points ``(n,) bool`` lie in a loop, or in the box between two corners."""
    if len(outline) == BOX:
        (x0, y0), (x1, y1) = outline
        return inside_box(points.x, points.y, x0, x1, y0, y1)
    return inside_outline(points.x, points.y, np.array(outline))


def _number(value: str, count: int) -> int | None:
    """A whole number below `count` from the page, None for anything else."""
    return int(value) if value.isdecimal() and int(value) < count else None

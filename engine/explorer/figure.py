"""One map on the page: a Bokeh figure that shows a picture made for its window, with tools to move and to select."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bokeh.events import MouseLeave, MouseMove
from bokeh.models import (
    BoxSelectTool,
    BoxZoomTool,
    ColumnDataSource,
    CustomJS,
    LassoSelectTool,
    PanTool,
    Range1d,
    ResetTool,
    WheelZoomTool,
)
from bokeh.plotting import figure

from gapscope.explorer.page import POINTER
from gapscope.explorer.points import Window
from gapscope.explorer.shading import Frame

Array = np.ndarray
DARK = "#111827"
SIZES = ("inner_width", "inner_height")


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure and what it shows.

    Attributes
    ----------
    figure
        Shares its ranges with the charts beside it.
    picture, marks
        The picture of all points, and rings around some.
    size
        ``inner_width`` and ``inner_height`` in pixels, once the browser has said them.
    """

    figure: Any
    picture: ColumnDataSource
    marks: ColumnDataSource
    size: dict[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, number: int, ranges: tuple[Range1d, Range1d], wires: dict[str, ColumnDataSource]) -> "Chart":
        """A chart that shows nothing yet and reports the pointer as that of map `number` through the `wires`."""
        drawn = _figure(number, ranges)
        picture = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        marks = ColumnDataSource({"x": [], "y": []})
        drawn.image_rgba("image", "x", "y", "dw", "dh", source=picture, name=f"picture-{number}")
        drawn.scatter(
            "x", "y", source=marks, size=13, fill_alpha=0, line_color=DARK, line_width=2, name=f"marks-{number}"
        )
        for event in (MouseMove, MouseLeave):
            drawn.js_on_event(event, CustomJS(args={**wires, "number": number}, code=POINTER))
        return cls(drawn, picture, marks)

    def show(self, image: Array, window: Window) -> None:
        """Show ``image : (height, width) uint32`` in its window."""
        x0, x1, y0, y1 = window
        self.picture.data = {"image": [image], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}

    def mark(self, x: Sequence[float], y: Sequence[float]) -> None:
        """Put rings around these places and no others."""
        self.marks.data = {"x": list(x), "y": list(y)}

    def frame(self, window: Window) -> Frame | None:
        """What is to be drawn for a window; None before the browser has said how large the figure is."""
        width, height = (self.size.get(name, 0) for name in SIZES)
        return Frame(window, width, height) if min(width, height) >= 1 else None

    def when_laid_out(self, act: Callable[[], None]) -> None:
        """Call `act` whenever the browser has given the figure another size."""

        def resized(name: str, _old: int | None, new: int) -> None:
            self.size[name] = int(new)
            act()

        for name in SIZES:
            self.figure.on_change(name, resized)


def _figure(number: int, ranges: tuple[Range1d, Range1d]):
    wheel = WheelZoomTool()
    tools = [PanTool(), BoxZoomTool(match_aspect=True), BoxSelectTool(), LassoSelectTool(), wheel, ResetTool()]
    for tool in tools[2:4]:
        tool.renderers = []
    drawn = figure(
        x_range=ranges[0],
        y_range=ranges[1],
        tools=tools,
        active_scroll=wheel,
        sizing_mode="stretch_both",
        toolbar_location="right",
        title=" ",
        min_border=2,
        name=f"map-{number}",
        output_backend="canvas",
    )
    drawn.axis.visible = False
    drawn.grid.visible = False
    drawn.toolbar.logo = None
    drawn.outline_line_color = "#dde2e7"
    drawn.title.text_font_size = "13px"
    drawn.title.text_font_style = "normal"
    drawn.title.text_color = "#1f2933"
    return drawn

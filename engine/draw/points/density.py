"""How many points lie where."""

import numpy as np
from matplotlib.figure import Figure

from gapscope.core.errors import unknown_name
from gapscope.draw.canvas import PAGE, Size
from gapscope.draw.points.aggregate import counts
from gapscope.draw.points.cloud import Cloud
from gapscope.draw.points.key import Bar, counted_ticks
from gapscope.draw.points.shade import dotted, ramp
from gapscope.draw.points.sheet import captioned, pixels, scale_note, sheet, titled, told_dots
from gapscope.draw.points.transform import Scale, occupied, radius
from gapscope.draw.points.window import Window

COLOURS = "viridis_r"
SCALES = {"log": lambda counted: Scale.log(1.0, float(counted.max())), "equalised": Scale.equalised}


def density(
    x: np.ndarray, y: np.ndarray, *, scale: str = "log", title: str | None = None, note: str = "", size: Size = PAGE
) -> Figure:
    """Points ``x, y : (n,)`` counted by pixel, dark where there are many.

    Parameters
    ----------
    scale
        log, or equalised: the same number of pixels in any two equal parts of the scale.
    title
        The finding; how many points there are when not given.
    note
        What the reader should know of the map itself, for the caption.
    """
    if scale not in SCALES:
        raise unknown_name("scale", scale, SCALES)
    cloud = Cloud.of(x, y)
    window, reach = Window.around([cloud], *pixels(size)), radius(cloud.n)
    counted = counts(cloud, window)
    key = bar(counted, SCALES[scale](counted))
    result = captioned(cloud.caption(), told_dots(reach), scale_note(window), note)
    page = sheet(size, titled(title, f"{cloud.n:,} point{'s' * (cloud.n != 1)}"), result, key=key.height(size))
    page.show(page.panels[0], window, dotted(ramp(key.scale(occupied(counted)), COLOURS), counted > 0, reach))
    key.draw(page)
    return page.figure


def bar(counted: np.ndarray, scale: Scale) -> Bar:
    """The key to counts."""
    ticks = counted_ticks(int(counted.max()))
    return Bar(COLOURS, scale, ticks, [f"{tick:,}" for tick in ticks], "points on a pixel")

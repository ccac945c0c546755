"""A number of each point, such as a confidence, as the mean on each pixel."""

import numpy as np
from matplotlib.figure import Figure

from gapscope.blocks.formats import upper
from gapscope.core.errors import InputError
from gapscope.draw.canvas import PAGE, PALE, Size
from gapscope.draw.points.aggregate import counts, sums
from gapscope.draw.points.cloud import Cloud
from gapscope.draw.points.key import Bar
from gapscope.draw.points.shade import above, dotted, ramp, rgb
from gapscope.draw.points.sheet import captioned, pixels, scale_note, sheet, titled, told_dots
from gapscope.draw.points.transform import Scale, means, nearest, radius
from gapscope.draw.points.window import Window

COLOURS, TICKS = "viridis_r", 5


def values(
    x: np.ndarray,
    y: np.ndarray,
    column: np.ndarray,
    *,
    unit: str,
    limits: tuple[float, float] | None = None,
    title: str | None = None,
    note: str = "",
    size: Size = PAGE,
) -> Figure:
    """Mean by pixel of the numbers ``column : (n,)`` of the points ``x, y : (n,)``; dark is much.

    Parameters
    ----------
    unit
        What the numbers are, with their unit.
    limits
        Ends of the scale; those of the means on pixels when not given.
    """
    cloud = Cloud.of(x, y)
    window, reach = Window.around([cloud], *pixels(size)), radius(cloud.n)
    numbers = cloud.column(np.asarray(column, np.float64), "the column of numbers")
    known = np.isfinite(numbers)
    if not known.any():
        raise InputError(f"none of {cloud.n:,} points has a number for {unit}; there is nothing to draw")
    inner, numbers = cloud.only(known), numbers[known]
    mean = means(sums(inner, numbers, window), counts(inner, window))
    low, high = limits or (float(np.nanmin(mean)), float(np.nanmax(mean)))
    ticks = np.linspace(low, high, TICKS) if high > low else np.array([low])
    key = Bar(COLOURS, Scale.straight(low, high), ticks, [f"{tick:.3g}" for tick in ticks], f"mean {unit}")
    finding = f"{upper(unit)}: {numbers.mean():.3g} on average, and on pixels from {low:.3g} to {high:.3g}"
    pale = f"{cloud.n - inner.n:,} without a number are pale." if inner.n < cloud.n else ""
    result = captioned(cloud.caption(), pale, told_dots(reach), scale_note(window), note)
    page = sheet(size, titled(title, finding), result, key=key.height(size))
    raster = dotted(ramp(key.scale(mean), COLOURS), np.isfinite(mean), reach)
    if inner.n < cloud.n:
        bare = nearest(counts(cloud.only(~known), window) > 0, reach)[0] & ~nearest(np.isfinite(mean), reach)[0]
        raster = above(rgb(PALE), bare, raster)
    page.show(page.panels[0], window, raster)
    key.draw(page)
    return page.figure

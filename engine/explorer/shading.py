"""A picture of points in four steps: which pixel, how many and in what colours, how dark, one layer over another.

Every point that lies in the window is in the picture; nothing is sampled. Where points fall on each other, a pixel has
the mean of their colours. Points that are seen as dots have exactly the colours of the legend; of so many that each is
a pixel, a pixel is the more opaque the more there are. Points that are looked at lie above those that are not, so that
none of them vanishes.

A compiled general-purpose rasteriser does the same; it takes seconds to compile for each kind of picture, which is
longer than a start may last, while counting with `numpy.bincount` is fast enough for a million points at each zoom.
"""

from typing import NamedTuple

import numpy as np

from gapscope.explorer.palette import PALE
from gapscope.explorer.points import Window

Array = np.ndarray
# Opacity of a pixel with a single point where points are pixels; that of the fullest, and of dots, is 1.
FAINT = 0.72
# Radius of a point in pixels while at most so many are in the window: single ones are to be seen, millions not to melt.
RADII = ((500, 5), (2_500, 4), (10_000, 3), (40_000, 2), (250_000, 1))


class Frame(NamedTuple):
    """What is drawn.

    Attributes
    ----------
    window
        ``(x0, x1, y0, y1)`` in units of the map.
    width, height
        Pixels.
    """

    window: Window
    width: int
    height: int

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a pixel in units of the map."""
        x0, x1, y0, y1 = self.window
        return (x1 - x0) / self.width, (y1 - y0) / self.height


class Layer(NamedTuple):
    """Points in pixels.

    Attributes
    ----------
    count : (height, width) float64
        Points that cover a pixel.
    rgb : (height, width, 3) float64
        Sums of their colours.
    """

    count: Array
    rgb: Array


def in_window(x: Array, y: Array, frame: Frame) -> tuple[Array, Array]:
    """Indices ``(m,)`` of the points in the frame, and the pixel of each, counted row by row from the lower left."""
    x0, x1, y0, y1 = frame.window
    result = np.flatnonzero((x >= x0) & (x < x1) & (y >= y0) & (y < y1))
    wide, tall = frame.pixel
    column = np.minimum(((x[result] - x0) / wide).astype(np.int32), frame.width - 1)
    line = np.minimum(((y[result] - y0) / tall).astype(np.int32), frame.height - 1)
    return result, line * frame.width + column


def radius_for(count: int) -> int:
    """Pixels around the middle of a point when `count` are in the window.

    >>> radius_for(3), radius_for(10**6)
    (5, 0)
    """
    return next((radius for most, radius in RADII if count <= most), 0)


def spread(pixel: Array, radius: int, frame: Frame) -> tuple[Array, Array]:
    """The pixels of discs around ``pixel : (m,)``, and which of the m points each belongs to; cut at the frame."""
    if not radius:
        return pixel, np.arange(len(pixel))
    step = np.arange(-radius, radius + 1)
    down, across = (axis[step[:, None] ** 2 + step**2 <= (radius + 0.3) ** 2] for axis in np.meshgrid(step, step))
    line, column = pixel[:, None] // frame.width + down, pixel[:, None] % frame.width + across
    there = (line >= 0) & (line < frame.height) & (column >= 0) & (column < frame.width)
    return (line * frame.width + column)[there], np.nonzero(there)[0]


def counted(pixel: Array, code: Array, palette: Array, frame: Frame) -> Layer:
    """How many points cover each pixel, and the sum of their colours ``palette[code]``, both ``(m,)``."""
    cells = frame.width * frame.height
    sums = [np.bincount(pixel, palette[code, channel].astype(np.float64), cells) for channel in range(3)]
    shape = (frame.height, frame.width)
    return Layer(
        np.bincount(pixel, minlength=cells).reshape(shape).astype(float), np.stack(sums, -1).reshape(*shape, 3)
    )


def opacity(count: Array, faint: float) -> Array:
    """0 without a point, `faint` with one, then with the logarithm of the count up to 1, of the same shape."""
    most = count.max(initial=0)
    if most <= 1:
        return faint * (count > 0)
    return np.where(count > 0, faint + (1 - faint) * np.log(np.maximum(count, 1)) / np.log(most), 0)


def over(above: Layer, below: Layer, faint: float) -> Array:
    """Both layers as ``(height, width) uint32`` RGBA, as Bokeh takes them: what is above hides what is below."""
    top = above.count > 0
    count = np.where(top, above.count, below.count)
    rgb = np.where(top[..., None], above.rgb, below.rgb) / np.maximum(count, 1)[..., None]
    alpha = np.where(top, opacity(above.count, faint), opacity(below.count, faint))
    picture = np.empty((*count.shape, 4), np.uint8)
    picture[..., :3], picture[..., 3] = np.rint(rgb), np.rint(255 * alpha)
    return picture.view(np.uint32)[..., 0]


def shade(x: Array, y: Array, code: Array, palette: Array, focus: Array | None, frame: Frame) -> Array:
    """The picture of the points, ``(height, width) uint32`` RGBA, its first line at the bottom.

    Parameters
    ----------
    x, y : (n,)
        Places.
    code : (n,) int
        Category of each.
    palette : (k, 3) uint8
        Colour of each category.
    focus : (n,) bool or None
        The points that are looked at; the others are grey, and below.
    """
    result, pixel = in_window(x, y, frame)
    radius = radius_for(len(result))
    seen = np.ones(len(result), bool) if focus is None else focus[result]
    grey = np.array([PALE], np.uint8)
    layers = []
    for part, colours in ((seen, palette), (~seen, grey)):
        cover, owner = spread(pixel[part], radius, frame)
        chosen = code[result[part]][owner] if colours is palette else np.zeros(len(owner), np.int8)
        layers.append(counted(cover, chosen, colours, frame))
    return over(*layers, 1.0 if radius else FAINT)

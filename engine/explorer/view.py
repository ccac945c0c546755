"""Which part of the map is seen: windows that keep the map's proportions in a frame of any shape."""

from gapscope.explorer.points import Window


def fitted(window: Window, width: int, height: int) -> Window:
    """The smallest window around `window` in which a unit is as long across as up, in a frame of that many pixels.

    >>> fitted((0, 1, 0, 1), 200, 100)
    (-0.5, 1.5, 0.0, 1.0)
    """
    x0, x1, y0, y1 = window
    pixel = max((x1 - x0) / width, (y1 - y0) / height)
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    half_x, half_y = pixel * width / 2, pixel * height / 2
    return middle_x - half_x, middle_x + half_x, middle_y - half_y, middle_y + half_y

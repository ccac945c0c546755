"""Which part of the plane a raster shows, and how many pixels it has: the projection."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.draw.points.cloud import Cloud

# Room around the points, and how much longer than the other a map may be before each axis gets a scale of its own.
ROOM, LONGEST = 0.04, 6.0


class Window(NamedTuple):
    """A rectangle of the plane on ``width`` x ``height`` pixels."""

    left: float
    right: float
    bottom: float
    top: float
    width: int
    height: int

    @classmethod
    def around(cls, clouds: Sequence[Cloud], width: int, height: int) -> "Window":
        """All points of all clouds, none on the border; a unit is as long across as up where that leaves a picture."""
        ends = [_ends([getattr(cloud, axis) for cloud in clouds]) for axis in ("x", "y")]
        spans = [high - low for low, high in ends]
        units = [span / pixels for span, pixels in zip(spans, (width, height), strict=True)]
        if max(spans) <= LONGEST * min(spans):
            units = [max(units)] * 2
        reach = [unit * (1 + 2 * ROOM) * pixels / 2 for unit, pixels in zip(units, (width, height), strict=True)]
        (x, y), (dx, dy) = [(low + high) / 2 for low, high in ends], reach
        return cls(x - dx, x + dx, y - dy, y + dy, width, height)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """As `imshow` wants it."""
        return self.left, self.right, self.bottom, self.top

    @property
    def even(self) -> bool:
        """Whether a unit is as long across as up."""
        across, up = (self.right - self.left) / self.width, (self.top - self.bottom) / self.height
        return bool(np.isclose(across, up))

    def sized(self, width: int, height: int) -> "Window":
        """The same part of the plane on other pixels."""
        return self._replace(width=width, height=height)

    def pixels(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places in pixels, from the left and from the bottom."""
        across = (np.asarray(x, np.float64) - self.left) * (self.width / (self.right - self.left))
        up = (np.asarray(y, np.float64) - self.bottom) * (self.height / (self.top - self.bottom))
        return across, up


def _ends(columns: Sequence[np.ndarray]) -> tuple[float, float]:
    """Smallest and largest value; a little apart where all are the same."""
    low, high = min(float(one.min()) for one in columns), max(float(one.max()) for one in columns)
    least = 1e-5 * max(abs(low), abs(high))  # less than this is rounding in float32
    return (low, high) if high - low > least else (low - max(0.5, least), high + max(0.5, least))

"""Names beside points, placed so that they cover neither each other nor the points."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from gapscope.draw.canvas import BLACK, GREY, Size

# Offsets in letters to try, the nearest first: right, left, above, below, and the corners, then further out.
DIRECTIONS = ((1, 0), (-1, 0), (0.7, 0.8), (-0.7, 0.8), (0.7, -0.8), (-0.7, -0.8), (0, 1), (0, -1))
DISTANCES = (0.9, 1.8, 2.8)


def name_points(axes: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str], size: Size) -> None:
    """Write ``names`` beside the points; those that find no free place stay unnamed. Axis limits must be final."""
    figure = axes.figure
    figure.canvas.draw()
    frame = axes.get_window_extent()
    points = axes.transData.transform(np.column_stack([x, y]))
    letter = size.letters * figure.dpi / 72
    taken = [Bbox.from_bounds(px - 0.35 * letter, py - 0.35 * letter, 0.7 * letter, 0.7 * letter) for px, py in points]
    for (px, py), where, name in zip(points, zip(x, y, strict=True), names, strict=True):
        if not name:
            continue
        width, height = 0.55 * letter * len(name), 1.05 * letter
        for reach, (right, up) in ((reach, side) for reach in DISTANCES for side in DIRECTIONS):
            left = px + right * reach * letter - (width if right < 0 else 0 if right > 0 else width / 2)
            box = Bbox.from_bounds(left, py + up * reach * letter - height / 2, width, height)
            if _inside(box, frame) and not any(box.overlaps(other) for other in taken):
                _write(axes, name, where, box, size, far=reach > DISTANCES[0])
                taken.append(box)
                break


def _inside(box: Bbox, frame: Bbox) -> bool:
    return box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1


def _write(axes: Axes, name: str, where: tuple[float, float], box: Bbox, size: Size, *, far: bool) -> None:
    x, y = axes.transData.inverted().transform(((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))
    axes.annotate(
        name,
        where,
        (x, y),
        fontsize=0.9 * size.letters,
        color=BLACK,
        horizontalalignment="center",
        verticalalignment="center",
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5} if far else None,
    )

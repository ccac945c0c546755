"""The accuracies of many models on two sets, on probit axes, with the line that they lie on."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from scipy.special import ndtr, ndtri

from gapscope.draw.canvas import BLACK, BLUE, GREY, PAGE, PALE, VERMILION, Size, legend, sheet

TICKS = np.array([1, 2, 5, 10, 20, 30, 40, 50, 55, 60, 65, 70, 75, 80, 85, 90, 93, 95, 97, 98, 99]) / 100
MARGIN = 0.06
# Offsets in letters to try, the nearest first: right, left, above, below, and the corners, then further out.
DIRECTIONS = ((1, 0), (-1, 0), (0.7, 0.8), (-0.7, 0.8), (0.7, -0.8), (-0.7, -0.8), (0, 1), (0, -1))
DISTANCES = (0.9, 1.8, 2.8)


def probit_line(
    names: Sequence[str],
    reference: np.ndarray,
    target: np.ndarray,
    intervals: tuple[np.ndarray, np.ndarray],
    line: tuple[float, float],
    *,
    title: str,
    across: str,
    up: str,
    chosen: Sequence[bool] = (),
    size: Size = PAGE,
) -> Figure:
    """Shares ``reference, target : (m,)``, ``intervals = (low, high)`` of the target, ``line = (slope, intercept)``.

    Points that are `chosen` are drawn in another colour and named before the others.
    """
    figure, axes = sheet(size, 5.4, title, f"{across}, %, probit scale", f"{up}, %, probit scale")
    x, y, low, high = (ndtri(np.asarray(share, np.float64)) for share in (reference, target, *intervals))
    marked = np.asarray(chosen, bool) if len(chosen) else np.zeros(len(x), bool)
    ends = _padded(x)
    axes.plot(ends, ends, color=GREY, linestyle=":", linewidth=1, label="no loss")
    axes.plot(ends, line[1] + line[0] * ends, color=BLUE, linewidth=1.2, label="line through all models")
    for some, colour, label in ((~marked, BLUE, "model, 95 % interval"), (marked, VERMILION, "off the line")):
        if some.any():
            reach = np.maximum([(y - low)[some], (high - y)[some]], 0)
            axes.errorbar(x[some], y[some], reach, fmt="o", color=colour, markersize=4, elinewidth=1, label=label)
    _ticks(axes.xaxis, ends)
    _ticks(axes.yaxis, _padded(np.concatenate([low, high, line[1] + line[0] * ends])))
    axes.set_xlim(*ends)
    axes.set_ylim(*_padded(np.concatenate([low, high])))
    axes.grid(color=PALE, linewidth=0.5)
    legend(axes, size)
    order = np.argsort(~marked, kind="stable")
    name_points(axes, x[order], y[order], [names[index] for index in order], size)
    return figure


def _padded(values: np.ndarray) -> np.ndarray:
    values = values[np.isfinite(values)]
    room = MARGIN * max(np.ptp(values), 0.1)
    return np.array([values.min() - room, values.max() + room])


def _ticks(axis, ends: np.ndarray) -> None:
    shown = TICKS[(ndtri(TICKS) >= ends[0]) & (ndtri(TICKS) <= ends[1])]
    if len(shown) < 2:
        shown = np.round(np.linspace(*ndtr(ends), 5)[1:-1], 3)
    axis.set_ticks(ndtri(shown), [f"{100 * share:.3g}" for share in shown])


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

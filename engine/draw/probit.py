"""The accuracies of many models on two sets, on probit axes, with the line that they lie on."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtr, ndtri

from gapscope.draw.canvas import BLUE, GREY, PAGE, PALE, VERMILION, Size, legend, sheet
from gapscope.draw.naming import name_points

TICKS = np.array([1, 2, 5, 10, 20, 30, 40, 50, 55, 60, 65, 70, 75, 80, 85, 90, 93, 95, 97, 98, 99]) / 100
MARGIN = 0.06


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

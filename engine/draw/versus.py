"""Forecasts against what came true."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from gapscope.draw.canvas import COLOURS, GREY, MARKS, PAGE, PALE, Size, legend, sheet


def versus(
    truth: np.ndarray,
    forecasts: Mapping[str, Sequence[float]],
    *,
    title: str,
    across: str,
    up: str,
    size: Size = PAGE,
) -> Figure:
    """Points ``(truth, forecasts[label])``, shares between 0 and 1, and the line on which both are equal."""
    figure, axes = sheet(size, 4.6, title, f"{across}, %", f"{up}, %")
    truth = 100 * np.asarray(truth, np.float64)
    ends = np.array([truth.min() - 2, truth.max() + 2])
    axes.plot(ends, ends, color=GREY, linestyle=":", linewidth=1, label="right forecast")
    for index, (label, values) in enumerate(forecasts.items()):
        mark, colour = MARKS[index % len(MARKS)], COLOURS[index % len(COLOURS)]
        shown = 100 * np.asarray(values, np.float64)
        axes.plot(truth, shown, mark, color=colour, markersize=4, label=label, linestyle="none", fillstyle="none")
    axes.grid(color=PALE, linewidth=0.5)
    legend(axes, size)
    return figure

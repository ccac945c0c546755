"""Shares of two or more sets side by side over ordered steps, such as the number of models that are right."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from gapscope.draw.canvas import COLOURS, PAGE, PALE, Size, legend, sheet


def shares(
    steps: np.ndarray,
    series: Mapping[str, np.ndarray],
    *,
    title: str,
    across: str,
    up: str = "share of images, %",
    size: Size = PAGE,
) -> Figure:
    """Bars of ``series[label] : (q,)``, shares between 0 and 1, over ``steps : (q,)``."""
    figure, axes = sheet(size, 4.2, title, across, up)
    wide = 0.84 / len(series)
    for index, (label, share) in enumerate(series.items()):
        left = np.asarray(steps) - 0.42 + wide * (index + 0.5)
        axes.bar(left, 100 * np.asarray(share), wide, color=COLOURS[index % len(COLOURS)], label=label)
    axes.grid(axis="y", color=PALE, linewidth=0.5)
    legend(axes, size)
    return figure

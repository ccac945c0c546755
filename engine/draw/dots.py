"""A dot with its interval for each name and series, one name a line."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from gapscope.draw.canvas import COLOURS, GREY, MARKS, PAGE, PALE, Size, legend, sheet

Series = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]


def dots(
    names: Sequence[str],
    series: Mapping[str, Series],
    *,
    title: str,
    unit: str,
    zero: float | None = None,
    joined: bool = False,
    size: Size = PAGE,
) -> Figure:
    """``series[label] = (value, low, high)``, each ``(m,)`` in `unit`, or None for no interval; NaN leaves a gap.

    `zero` draws a line to compare with; `joined` connects the series of each name.
    """
    figure, axes = sheet(size, 1.3 + 0.21 * len(names) * (1 if joined or len(series) < 4 else 1.3), title, unit)
    line = np.arange(len(names), dtype=np.float64)[::-1]
    axes.set_yticks(line, names)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.grid(axis="y", color=PALE, linewidth=0.5)
    if zero is not None:
        axes.axvline(zero, color=GREY, linewidth=1)
    if joined:
        table = np.array([value for value, _, _ in series.values()], np.float64)
        axes.hlines(line, np.nanmin(table, axis=0), np.nanmax(table, axis=0), color=GREY, linewidth=1, zorder=1)
    step = 0 if joined or len(series) == 1 else 0.6 / (len(series) - 1)
    for index, (label, one) in enumerate(series.items()):
        _draw(axes, line + (0.3 - index * step if step else 0), one, label, index, size)
    if len(series) > 1:
        legend(axes, size)
    return figure


def _draw(axes, line: np.ndarray, one: Series, label: str, index: int, size: Size) -> None:
    value, low, high = (None if column is None else np.asarray(column, np.float64) for column in one)
    there = np.isfinite(value)
    reach = None if low is None else np.maximum([(value - low)[there], (high - value)[there]], 0)
    axes.errorbar(
        value[there],
        line[there],
        xerr=reach,
        fmt=MARKS[index % len(MARKS)],
        color=COLOURS[index % len(COLOURS)],
        markersize=0.5 * size.letters,
        elinewidth=1,
        label=label,
    )

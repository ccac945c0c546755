"""How loss and accuracy moved from epoch to epoch."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gapscope.draw.canvas import COLOURS, GREY, MARKS, PAGE, PALE, Size, legend, sheet


def history(
    series: Mapping[str, Sequence[float | None]],
    *,
    title: str,
    up: str,
    chosen: int | None = None,
    size: Size = PAGE,
) -> Figure:
    """A line for each of ``series[label]``, whose values belong to epochs 1, 2, …; gaps where they are None.

    Parameters
    ----------
    chosen
        The epoch whose weights are kept, marked by an upright line.
    """
    figure, axes = sheet(size, 4.2, title, "epoch", up)
    for index, (label, values) in enumerate(series.items()):
        there = [(epoch, value) for epoch, value in enumerate(values, start=1) if value is not None]
        if there:
            axes.plot(
                *zip(*there, strict=True),
                color=COLOURS[index % len(COLOURS)],
                marker=MARKS[index % len(MARKS)],
                markersize=4,
                linewidth=1.4,
                label=label,
            )
    if chosen is not None:
        axes.axvline(chosen, color=GREY, linewidth=0.9, linestyle="--", label=f"kept: epoch {chosen}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=PALE, linewidth=0.5)
    legend(axes, size)
    return figure

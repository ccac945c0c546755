"""How widely values spread, against how widely chance alone would spread them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from gapscope.draw.canvas import COLOURS, PAGE, PALE, Size, legend, sheet

STYLES = ("-", "--", ":", "-.")


def spread(
    series: Mapping[str, np.ndarray],
    *,
    title: str,
    across: str,
    up: str,
    width: float,
    size: Size = PAGE,
) -> Figure:
    """Outlines of histograms of ``series[label]``, each of as many values as it likes, in bins `width` wide.

    The first series is filled. Bins are centred on multiples of `width`, where values that are counts over a few images
    stand. NaN is left out.
    """
    figure, axes = sheet(size, 4.2, title, across, up)
    there = {label: values[np.isfinite(values)] for label, values in series.items()}
    everything = np.concatenate(list(there.values()))
    first, last = np.floor(everything.min() / width) - 0.5, np.ceil(everything.max() / width) + 0.5
    edges = width * np.arange(first, last + 1)
    for index, (label, values) in enumerate(there.items()):
        counts = np.histogram(values, edges)[0]
        colour = COLOURS[index % len(COLOURS)]
        if index == 0:
            axes.stairs(counts, edges, fill=True, color=colour, alpha=0.35)
        axes.stairs(counts, edges, color=colour, linewidth=1.4, linestyle=STYLES[index % len(STYLES)], label=label)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=0)
    axes.set_yticks([0, 1, 10, 100, 1000][: 2 + int(np.ceil(np.log10(max(len(one) for one in there.values()) + 1)))])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()
    axes.grid(axis="y", color=PALE, linewidth=0.5)
    legend(axes, size)
    return figure

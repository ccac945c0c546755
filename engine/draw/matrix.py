"""A square of numbers between named things, such as how often two models agree."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapscope.draw.canvas import BLACK, PAGE, Size, sheet
from gapscope.predictions.confusions import confused_pairs

WHITE = "#FFFFFF"
# Classes up to which percentages are written in, and pairs that a title names.
WRITTEN, PAIRS = 20, 3


def matrix(names: Sequence[str], values: np.ndarray, *, title: str, unit: str, size: Size = PAGE) -> Figure:
    """Colours for ``values : (m, m)``; the diagonal is left empty."""
    figure, axes = sheet(size, 6.6, title)
    shown = np.ma.masked_array(np.asarray(values, np.float64), np.eye(len(names), dtype=bool))
    image = axes.imshow(shown, cmap="cividis", aspect="auto", interpolation="nearest")
    letters = min(size.letters, size.width * 72 * 0.55 / max(len(names), 1) / 1.1)
    axes.set_xticks(np.arange(len(names)), names, rotation=90, fontsize=letters)
    axes.set_yticks(np.arange(len(names)), names, fontsize=letters)
    bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
    bar.set_label(unit, fontsize=size.letters)
    bar.ax.tick_params(labelsize=size.letters)
    return figure


def confusion(names: Sequence[str], counts: np.ndarray, *, title: str, size: Size = PAGE) -> Figure:
    """Shares of each true class, down, that were predicted as each class, across; the title names the worst pairs.

    Only errors have a colour: right answers would outshine them. Up to 20 classes have their percentages written in.
    """
    counts = np.asarray(counts)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pairs = [f"{one.true} predicted as {one.predicted} {one.share:.1%}" for one in confused_pairs(names, counts, PAIRS)]
    figure = matrix(names, shares, title=": ".join([title, "; ".join(pairs)] if pairs else [title]), unit="", size=size)
    axes, bar = figure.axes
    axes.set_xlabel("predicted class", fontsize=size.letters)
    axes.set_ylabel("true class", fontsize=size.letters)
    bar.set_ylabel("% of the true class", fontsize=size.letters)
    if len(names) <= WRITTEN:
        _write_in(axes, shares, size)
    return figure


def _write_in(axes: Axes, shares: np.ndarray, size: Size) -> None:
    """Percentages in the cells, white where the colour is dark; nothing where there is nothing."""
    (image,) = axes.images
    for (i, j), share in np.ndenumerate(shares):
        if share > 0:
            colour = BLACK if i == j or image.norm(share) > 0.5 else WHITE
            text = f"{share:.0f}" if share >= 10 else f"{share:.1f}"
            axes.text(j, i, text, color=colour, fontsize=0.8 * size.letters, ha="center", va="center")

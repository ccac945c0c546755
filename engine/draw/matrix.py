"""A square of numbers between named things, such as how often two models agree."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from engine.draw.canvas import PAGE, Size, sheet


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

"""The order of models on one set against their order on another, one line a model."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from gapscope.draw.canvas import BLUE, GREY, LETTER_WIDTH, PAGE, VERMILION, Size, sheet


def ranks(
    names: Sequence[str], first: np.ndarray, second: np.ndarray, *, title: str, sets: tuple[str, str], size: Size = PAGE
) -> Figure:
    """Places by ``first, second : (m,)``, the larger value on top; lines of models that move are drawn stronger."""
    figure, axes = sheet(size, 1.2 + 0.22 * len(names), title)
    before, after = _places(first), _places(second)
    room, letters = _room(max(map(len, names)) + len("  00.00"), size)
    for index, name in enumerate(names):
        moved = before[index] - after[index]
        colour = GREY if moved == 0 else BLUE if moved > 0 else VERMILION
        ends, wide = [before[index], after[index]], 0.7 + 0.5 * abs(moved)
        axes.plot([0, 1], ends, "-o", color=colour, markersize=3, linewidth=wide)
        left, right = f"{name}  {100 * first[index]:.2f}", f"{100 * second[index]:.2f}  {name}"
        axes.text(-0.03, ends[0], left, fontsize=letters, horizontalalignment="right", verticalalignment="center")
        axes.text(1.03, ends[1], right, fontsize=letters, horizontalalignment="left", verticalalignment="center")
    axes.set_xlim(-room, 1 + room)
    axes.set_ylim(len(names) + 0.6, 0.4)
    axes.set_xticks([0, 1], [size.wrapped(f"{name}, %", 0.3) for name in sets])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return figure


def _room(columns: int, size: Size) -> tuple[float, float]:
    """Room for names of `columns` letters on either side of lines of length 1, and the size of their letters."""
    letters = min(size.letters, 0.4 * size.width * 72 / (columns * LETTER_WIDTH))
    share = columns * letters * LETTER_WIDTH / 72 / size.width + 0.02
    return share / (1 - 2 * share), letters


def _places(values: np.ndarray) -> np.ndarray:
    places = np.empty(len(values), np.int64)
    places[np.argsort(-np.asarray(values), kind="stable")] = np.arange(1, len(values) + 1)
    return places

"""Numbers in the cells of a table, coloured: what was trained on one set and tested on another."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gapscope.draw.canvas import BLACK, PAGE, PHOTOGRAPH, Size, sheet

WHITE = "#FFFFFF"
# Two hues that are told apart whatever one's colour vision, pale where nothing changes; and one that grows lighter.
DIVERGING, RISING = "RdBu", "cividis"
LEAST_SCALE = 1.0


def numbers(
    rows: Sequence[str],
    columns: Sequence[str],
    values: np.ndarray,
    *,
    title: str,
    across: str = "",
    up: str = "",
    unit: str = "",
    diverging: bool = False,
    framed: Sequence[tuple[int, int]] = (),
    after: int = 0,
    size: Size = PAGE,
) -> Figure:
    """``values : (r, c)`` with their colours; NaN leaves a cell empty.

    Parameters
    ----------
    diverging
        The values are changes: colours are even on both sides of 0, red below and blue above, and signs are written.
    framed
        Cells with a frame, as (row, column).
    after
        A line sets off so many columns at the left.
    """
    values = np.asarray(values, np.float64)
    figure, axes = sheet(size, 2.0 + 0.36 * len(rows), title, across, up)
    image = axes.imshow(values, aspect="auto", interpolation="nearest", **_colours(values, diverging=diverging))
    shares = image.norm(values)
    letters = min(size.letters, 0.62 * size.width * 72 / max(len(columns), 1) / 3.4)
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:+.1f}" if diverging else f"{value:.1f}"
            axes.text(j, i, text, color=_ink(image, shares[i, j]), fontsize=letters, ha="center", va="center")
    _names(axes, rows, columns, size)
    for i, j in framed:
        axes.add_patch(
            Rectangle((j - 0.47, i - 0.46), 0.94, 0.92, fill=False, edgecolor=_ink(image, shares[i, j]), linewidth=1.8)
        )
    if after:
        axes.axvline(after - 0.5, color=WHITE, linewidth=5)
    if unit:
        bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
        bar.set_label(unit, fontsize=size.letters)
        bar.ax.tick_params(labelsize=size.letters)
    return figure


def _colours(values: np.ndarray, *, diverging: bool) -> dict[str, object]:
    if not diverging:
        return {"cmap": RISING}
    largest = max(float(np.nanmax(np.abs(values), initial=0.0)), LEAST_SCALE)
    return {"cmap": DIVERGING, "vmin": -largest, "vmax": largest}


def _ink(image, share: float) -> str:
    """Black on light colours, white on dark ones."""
    red, green, blue, _ = image.cmap(share)
    return BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else WHITE


def _names(axes: Axes, rows: Sequence[str], columns: Sequence[str], size: Size) -> None:
    """Names of rows, and of columns aslant where they would not fit beside each other."""
    room = 0.6 * size.width * 72 / max(len(columns), 1)
    wide = max(map(len, columns), default=0) * 0.6 * size.letters > room
    turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if wide else {}
    axes.set_xticks(np.arange(len(columns)), columns, fontsize=size.letters, **turned)
    axes.set_yticks(np.arange(len(rows)), rows, fontsize=size.letters)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def strip(
    rows: Sequence[str],
    columns: Sequence[str],
    pictures: Sequence[Sequence[np.ndarray]],
    *,
    title: str,
    side: int = 64,
    size: Size = PAGE,
) -> Figure:
    """``pictures[r][c] : (h, w, 3) uint8`` in a grid, each as a square of `side` points of colour."""
    step = side + side // 16
    board = np.full((len(rows) * step, len(columns) * step, 3), 255, np.uint8)
    for i, row in enumerate(pictures):
        for j, picture in enumerate(row):
            board[i * step : i * step + side, j * step : j * step + side] = _square(picture, side)
    height = 0.9 + 0.8 * size.width * len(rows) / max(len(columns), 1)
    figure, axes = sheet(size, height, title)
    axes.imshow(board, aspect="equal", interpolation="nearest", gid=PHOTOGRAPH)
    middle = (side - 1) / 2
    axes.set_xticks(middle + step * np.arange(len(columns)), columns, fontsize=size.letters)
    axes.xaxis.tick_top()
    axes.set_yticks(middle + step * np.arange(len(rows)), rows, fontsize=size.letters)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _square(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture stretched to a square, each point that of the nearest."""
    height, width = picture.shape[:2]
    places = (np.arange(side) + 0.5) / side
    return picture[(places * height).astype(int)[:, None], (places * width).astype(int)]

"""The page of a map picture: title, panels of whole pixels, a key below them, and a caption.

Everything stands on whole pixels, and a panel has as many as its raster, so that no pixel of a raster is lost or
doubled between aggregation and file.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gapscope.draw.canvas import BLACK, LETTER_WIDTH, PALE, Size
from gapscope.draw.points.window import Window

MARGIN, LINE = 8, 1.35
# Height of a panel in its widths.
TALL = 0.7
# Letters of captions and of names on the map, in those of the page.
SMALL = 0.95
LONGEST_LABEL = 34
HALO = [patheffects.withStroke(linewidth=2.2, foreground="white")]


@dataclass(frozen=True)
class Sheet:
    """A figure with empty panels.

    Attributes
    ----------
    pen
        Axes over the whole figure, in pixels from its upper left corner.
    panels
        From the left, then down.
    width, height
        Pixels of each panel.
    key
        Pixels from the top to where the key begins.
    """

    figure: Figure
    size: Size
    pen: Axes
    panels: list[Axes]
    width: int
    height: int
    key: float

    @property
    def letter(self) -> float:
        """Pixels of an ordinary letter's height."""
        return letter(self.size)

    def show(self, panel: Axes, window: Window, raster: np.ndarray) -> None:
        """A raster ``(h, w, 3)``, whose rows go up, over the whole panel."""
        panel.imshow(raster, origin="lower", extent=window.extent, aspect="auto", interpolation="none")
        panel.set(xlim=window.extent[:2], ylim=window.extent[2:])

    def write(self, x: float, y: float, words: str, share: float = 1.0, **options: object) -> None:
        """Words at pixels from the left and the top."""
        options = {"va": "top", "color": BLACK} | options
        self.pen.text(x, y, words, fontsize=share * self.size.letters, linespacing=1.2, parse_math=False, **options)

    def paint(self, x: float, y: float, wide: float, tall: float, colour: object, edge: str = "none") -> None:
        """A rectangle at pixels from the left and the top."""
        self.pen.add_patch(Rectangle((x, y), wide, tall, facecolor=colour, edgecolor=edge, linewidth=0.6))

    def paste(self, x: float, y: float, wide: float, tall: float, raster: np.ndarray) -> None:
        """A raster at pixels from the left and the top."""
        self.pen.imshow(raster, extent=(x, x + wide, y + tall, y), aspect="auto", interpolation="none")
        self.pen.set(xlim=(0, self.figure.bbox.width), ylim=(self.figure.bbox.height, 0))


def letter(size: Size) -> float:
    """Pixels of an ordinary letter's height."""
    return size.letters / 72 * size.dots


def across(size: Size, columns: int) -> int:
    """Pixels of the width of each of so many panels side by side."""
    return int(size.width * size.dots - 2 * MARGIN - (columns - 1) * MARGIN) // columns


def pixels(size: Size, columns: int = 1, tall: float = TALL) -> tuple[int, int]:
    """Width and height of each panel."""
    width = across(size, columns)
    return width, round(tall * width)


def room(size: Size, columns: int) -> int:
    """Letters that fit above a panel."""
    return int(across(size, columns) / (LETTER_WIDTH * 1.1 * letter(size)))


def sheet(
    size: Size,
    title: str,
    caption: str,
    *,
    key: float,
    heads: Sequence[str] = ("",),
    columns: int = 1,
    tall: float = TALL,
) -> Sheet:
    """An empty page with a panel under each of `heads`, in rows of `columns`.

    Parameters
    ----------
    key
        Pixels that the key needs.
    tall
        Height of a panel in its widths.
    """
    wide, unit = round(size.width * size.dots), letter(size)
    finding, title, caption = title, size.wrapped(title), wrapped(size, caption)
    (width, height), rows = pixels(size, columns, tall), -(-len(heads) // columns)
    head = round(LINE * unit) if any(heads) else 0
    first = round(MARGIN + 1.2 * LINE * unit * len(title.splitlines()) + MARGIN)
    below = first + rows * (head + height + MARGIN)
    whole = round(below + key + SMALL * LINE * unit * len(caption.splitlines()) + 2 * MARGIN)
    figure = Figure(figsize=(size.width, whole / size.dots), dpi=size.dots, facecolor="white")
    FigureCanvasAgg(figure)
    figure.set_label(finding)
    panels = []
    for place, name in enumerate(heads):
        left = MARGIN + place % columns * (width + MARGIN)
        upper = first + place // columns * (head + height + MARGIN) + head
        panels.append(_panel(figure, (left / wide, 1 - (upper + height) / whole, width / wide, height / whole)))
        _write_head(panels[-1], shortened(name, room(size, columns)), size)
    pen = figure.add_axes((0, 0, 1, 1), xlim=(0, wide), ylim=(whole, 0), zorder=2)
    pen.set_axis_off()
    made = Sheet(figure, size, pen, panels, width, height, below)
    made.write(MARGIN, MARGIN, title, 1.2, fontweight="bold")
    made.write(MARGIN, below + key + MARGIN, caption, SMALL, color="#404040")
    return made


def _panel(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    axes = figure.add_axes(box, xticks=[], yticks=[])
    axes.spines[:].set(color=PALE, linewidth=0.6)
    return axes


def _write_head(axes: Axes, name: str, size: Size) -> None:
    """The name above a panel."""
    if name:
        axes.text(0, 1.01, name, transform=axes.transAxes, va="bottom", fontsize=size.letters, parse_math=False)


def wrapped(size: Size, words: str) -> str:
    """`words` in lines that fit across the page in the letters of a caption."""
    columns = int(across(size, 1) / (SMALL * letter(size) * LETTER_WIDTH))
    return "\n".join(textwrap.wrap(words, columns))


def shortened(name: str, most: int = LONGEST_LABEL) -> str:
    """`name`, or its beginning and an ellipsis.

    >>> shortened("a long name", 8)
    'a long …'
    """
    return name if len(name) <= most else f"{name[: most - 1]}…"


def titled(title: str | None, default: str) -> str:
    """The caller's words, or those that the data say by themselves."""
    return default if title is None else title


def captioned(*sentences: str) -> str:
    """Those that say something, one behind the other."""
    return " ".join(sentence for sentence in sentences if sentence)


def scale_note(window: Window) -> str:
    """What the reader of the axes has to know."""
    return "" if window.even else "Across and up have different scales."


def told_dots(reach: int) -> str:
    """What the reader has to know of the size of points."""
    return f"A point is a dot of {2 * reach + 1} pixels where there is room." if reach else ""

"""Images with what a model said about them, in rows under headings; beside each, if wanted, where it looked."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from PIL import Image

from gapscope.draw.canvas import BLACK, GREY, PAGE, PALE, PHOTOGRAPH, VERMILION, Size

# Inches: the narrowest thumbnail, the space between two, and the margin of the page.
NARROWEST, GAP, MARGIN = 0.86, 0.1, 0.1
CAPTION, SPACING, POINTS = 0.8, 1.25, 72
HEAT, SHARE = "inferno", 0.7
TICK, CROSS = "\u2713", "\u2717"
NONE = "none"


class Tile(NamedTuple):
    """An image and what a model said about it.

    Attributes
    ----------
    image : (h, w), (h, w, 1) or (h, w, 3) uint8
        Of any size.
    predicted
        Name of the class that the model gave.
    label
        Name of the true class; None where it is unknown.
    confidence
        Of the model in its answer, from 0 to 1; None where it gave none.
    heat : (h', w')
        How much each place spoke for the answer, from 0 to 1; None for no overlay.
    """

    image: np.ndarray
    predicted: str
    label: str | None = None
    confidence: float | None = None
    heat: np.ndarray | None = None

    @property
    def wrong(self) -> bool:
        """Whether the answer is known to be another class."""
        return self.label is not None and self.label != self.predicted


def gallery(rows: Mapping[str, Sequence[Tile]], *, title: str, size: Size = PAGE) -> Figure:
    """The tiles of each row under its heading, in as many lines as they need; "none" where there are none.

    A wrong answer has a cross, the name of the true class and a thick frame; a right one has a tick.
    """
    layout = _Layout.of(rows, size)
    words = size.wrapped(title)
    letter = 1.2 * size.letters / POINTS
    top = MARGIN + SPACING * letter * len(words.splitlines()) + GAP
    tall = top + sum(layout.height(tiles) for tiles in rows.values()) + MARGIN
    figure = Figure(figsize=(size.width, tall), dpi=size.dots, facecolor="white")
    FigureCanvasAgg(figure)
    figure.set_label(title)
    pen = _Pen(figure, size)
    pen.write(MARGIN, MARGIN, words, 1.2, va="top", fontweight="bold")
    for heading, tiles in rows.items():
        _draw_row(pen, layout, heading, tiles, top)
        top += layout.height(tiles)
    return figure


class _Layout(NamedTuple):
    """Where things stand in a row, in inches.

    Attributes
    ----------
    across
        Tiles beside each other.
    side
        Of a thumbnail.
    wide
        Of a tile: one thumbnail, or two with the overlay.
    heading, line
        Height of a heading, and of a line of a caption.
    """

    across: int
    side: float
    wide: float
    heading: float
    line: float

    @classmethod
    def of(cls, rows: Mapping[str, Sequence[Tile]], size: Size) -> "_Layout":
        """The layout in which all rows fit."""
        tiles = [tile for row in rows.values() for tile in row]
        pictures = 2 if any(tile.heat is not None for tile in tiles) else 1
        room = size.width - 2 * MARGIN + GAP
        across = max(1, int(room / (NARROWEST * pictures + GAP)))
        wide = room / across - GAP
        heading, line = (SPACING * share * size.letters / POINTS for share in (1, CAPTION))
        return cls(across, wide / pictures, wide, heading, line)

    def height(self, tiles: Sequence[Tile]) -> float:
        """Inches that a row takes."""
        lines = -(-len(tiles) // self.across)
        return self.heading + (lines * self.step(tiles) if tiles else self.line) + GAP

    def step(self, tiles: Sequence[Tile]) -> float:
        """From one line of tiles to the next."""
        return self.side + self.line * max(len(_caption(tile)) for tile in tiles) + GAP


class _Pen:
    """Draws at inches from the upper left corner."""

    def __init__(self, figure: Figure, size: Size):
        self.figure, self.size = figure, size
        self.wide, self.tall = figure.get_size_inches()

    def write(self, left: float, top: float, words: str, letters: float, **style) -> None:
        """`words` as they are, a dollar is a dollar; `letters` is their size over that of ordinary ones."""
        place = left / self.wide, 1 - top / self.tall
        self.figure.text(
            *place, words, fontsize=letters * self.size.letters, parse_math=False, linespacing=1.2, **style
        )

    def picture(self, left: float, top: float, side: float, pixels: np.ndarray, frame: Mapping[str, object]) -> None:
        """`pixels : (h, w, 3)` in the middle of a square, in their own proportions."""
        height, width = (side * edge / max(pixels.shape[:2]) for edge in pixels.shape[:2])
        left, top = left + (side - width) / 2, top + (side - height) / 2
        box = left / self.wide, 1 - (top + height) / self.tall, width / self.wide, height / self.tall
        axes = self.figure.add_axes(box)
        axes.imshow(pixels, aspect="auto", gid=PHOTOGRAPH)
        axes.set_axis_off()
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, clip_on=False, **frame))

    def shortened(self, words: str, width: float) -> str:
        """`words` with their middle left out where they are wider than `width` inches in a caption's letters."""
        words = " ".join(words.split())
        room, kept = width * POINTS / (CAPTION * self.size.letters), words
        for count in range(len(words) - 1, 1, -1):
            if sum(map(_advance, kept)) <= room:
                break
            kept = f"{words[: count - count // 3].rstrip()}…{words[len(words) - count // 3 :].lstrip()}"
        return kept


@lru_cache(maxsize=4096)
def _advance(letter: str) -> float:
    """How far a letter moves the pen, over the size of the letters."""
    wide, narrow = (
        text_to_path.get_text_width_height_descent(words, FontProperties(size=100), ismath=False)[0] / 100
        for words in (f"x{letter}x", "xx")
    )
    return wide - narrow


RIGHT_FRAME = {"edgecolor": PALE, "linewidth": 0.6}
WRONG_FRAME = {"edgecolor": VERMILION, "linewidth": 2.4}


def _draw_row(pen: _Pen, layout: _Layout, heading: str, tiles: Sequence[Tile], top: float) -> None:
    pen.write(MARGIN, top, heading, 1, va="top", fontweight="bold", color=BLACK)
    top += layout.heading + GAP / 2
    if not tiles:
        pen.write(MARGIN, top - GAP / 2, NONE, 1, va="top", color=GREY)
    for place, tile in enumerate(tiles):
        line, column = divmod(place, layout.across)
        _draw_tile(pen, layout, tile, MARGIN + column * (layout.wide + GAP), top + line * layout.step(tiles))


def _draw_tile(pen: _Pen, layout: _Layout, tile: Tile, left: float, top: float) -> None:
    frame = WRONG_FRAME if tile.wrong else RIGHT_FRAME
    image = _thumbnail(tile.image, 2 * layout.side * pen.size.dots)
    pen.picture(left, top, layout.side, image, frame)
    if tile.heat is not None:
        pen.picture(left + layout.side, top, layout.side, overlay(image, tile.heat), frame)
    for number, words in enumerate(_caption(tile), start=1):
        below = top + layout.side + number * layout.line
        pen.write(left, below, pen.shortened(words, layout.wide - GAP / 2), CAPTION, color=BLACK)


def _caption(tile: Tile) -> list[str]:
    """What is written below a tile: the answer, the truth where it differs, the confidence."""
    sign = "" if tile.label is None else f"{CROSS} " if tile.wrong else f"{TICK} "
    lines = [f"{sign}{tile.predicted}"]
    if tile.wrong:
        lines.append(f"is {tile.label}")
    if tile.confidence is not None:
        lines.append(_percent(tile.confidence))
    return lines


def _percent(share: float) -> str:
    """
    >>> _percent(0.876), _percent(0.99999)
    ('87.6%', '>99.9%')
    """
    return ">99.9%" if 0.9995 <= share < 1 else f"{share:.1%}"


def _thumbnail(image: np.ndarray, largest: float) -> np.ndarray:
    """`image` as ``(h, w, 3) uint8`` with no edge longer than `largest` pixels; small ones stay as they are."""
    image = np.asarray(image, np.uint8)
    image = image[..., None] if image.ndim == 2 else image
    small = Image.fromarray(np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3))))
    small.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return np.asarray(small)


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The grey of ``image : (h, w, 3) uint8`` under the colours of `heat`, ``(h, w, 3) uint8``; bright is much.

    The colour map is one in which equal steps of heat look equal, to the colour-blind too.
    """
    height, width = image.shape[:2]
    fitted = Image.fromarray(np.asarray(heat, np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    colours = 255 * colormaps[HEAT](np.clip(np.asarray(fitted), 0, 1))[..., :3]
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float64)[..., None]
    return np.rint(SHARE * colours + (1 - SHARE) * grey).astype(np.uint8)

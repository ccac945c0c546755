"""The sheet on which every figure is drawn: its size, letters and colours, without state shared between figures.

Colours are those of Okabe and Ito (2008), "Color Universal Design", which people tell apart whatever their colour
vision; series differ in their marks as well.
"""

import textwrap
from dataclasses import dataclass
from io import BytesIO

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, UnidentifiedImageError

BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#000000"
GREY, PALE = "#767676", "#D9D9D9"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
MARKS = ("o", "s", "^", "D", "v", "P", "X")
# The name of an image that dark pages must leave as it is.
PHOTOGRAPH = "photograph"
# A letter is about this many times as wide as its size; those of titles are bold.
LETTER_WIDTH, BOLD_WIDTH = 0.55, 0.64


@dataclass(frozen=True)
class Size:
    """How large a figure is shown.

    Attributes
    ----------
    width
        Inches.
    letters
        Size of ordinary letters in points; titles are a fifth larger.
    dots
        Pixels per inch.
    """

    width: float
    letters: float
    dots: int

    def wrapped(self, text: str, share: float = 0.92) -> str:
        """`text` in lines that fit into a `share` of the width in a title's letters."""
        columns = max(16, int(share * self.width * 72 / (1.2 * self.letters * BOLD_WIDTH)))
        return "\n".join(textwrap.wrap(text, columns))


PAGE = Size(8.0, 9.0, 110)
COLUMN = Size(4.5, 7.5, 130)


def sheet(size: Size, height: float, title: str, across: str = "", up: str = "") -> tuple[Figure, Axes]:
    """An empty figure, `height` inches tall at the width of a page, with its title and the names of its axes."""
    tall = height * (0.35 + 0.65 * size.width / PAGE.width)
    figure = Figure(figsize=(size.width, tall), dpi=size.dots, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.set_label(title)
    figure.suptitle(
        size.wrapped(title), fontsize=1.2 * size.letters, fontweight="bold", x=0.01, horizontalalignment="left"
    )
    axes = figure.add_subplot()
    axes.set_xlabel(size.wrapped(across, 0.7), fontsize=size.letters)
    axes.set_ylabel(up, fontsize=size.letters)
    axes.tick_params(labelsize=size.letters, length=3, color=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.set_axisbelow(True)
    return figure, axes


def legend(axes: Axes, size: Size) -> None:
    """The key to the series, below the figure, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    columns = max(
        1, min(len(labels), int(size.width * 72 / (size.letters * LETTER_WIDTH * (max(map(len, labels)) + 8))))
    )
    axes.figure.legend(
        handles, labels, loc="outside lower left", ncols=columns, fontsize=size.letters, frameon=False, borderpad=0.1
    )


def png(figure: Figure) -> bytes:
    """The figure as a PNG file, with its title in the field of that name; the same bytes for the same figure.

    The field ``Drawn`` says that no photograph is on it, so that a dark page may exchange its light and dark.
    """
    drawn = None if any(artist.get_gid() == PHOTOGRAPH for artist in figure.findobj()) else "yes"
    file, fields = BytesIO(), {"Software": None, "Drawn": drawn, "Title": figure.get_label() or None}
    figure.savefig(file, format="png", dpi=figure.dpi, metadata=fields, pil_kwargs={"optimize": True})
    return file.getvalue()


def title_of(picture: bytes) -> str:
    """The title that `png` has written into a picture; empty for one without, or for what is no picture."""
    try:
        with Image.open(BytesIO(picture)) as opened:
            return " ".join(getattr(opened, "text", {}).get("Title", "").split())
    except UnidentifiedImageError:
        return ""


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file; the same bytes for the same figure. Letters are outlines, so no font is needed."""
    file = BytesIO()
    with rc_context({"svg.hashsalt": "gapscope", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", dpi=figure.dpi, metadata={"Date": None})
    return file.getvalue()

"""Contact sheets of a synthetic set: for each class real images, synthetic ones, and the training images nearest to
these, so that a person sees in one look whether the images are good, and whether they are copies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gapscope.draw.canvas import GREY, VERMILION

LETTERS, GAP, FRAME, NAME_WIDTH = 11, 4, 3, 76
INK = (30, 30, 30)
ROWS = ("real", "synthetic", "nearest real")


@dataclass(frozen=True, eq=False)
class Shown:
    """A synthetic image on a contact sheet.

    Attributes
    ----------
    image, nearest : (h, w) or (h, w, 1 or 3) uint8
        The image, and the training image nearest to it; of any sizes.
    distance
        Between the features of the two.
    reason
        Why it was dropped; empty where it is kept, None where nobody has judged it.
    """

    image: np.ndarray
    nearest: np.ndarray
    distance: float
    reason: str | None = ""


@dataclass(frozen=True, eq=False)
class ClassSheet:
    """A class on a contact sheet: its name, some real images, and synthetic ones with their neighbours."""

    name: str
    real: Sequence[np.ndarray]
    synthetic: Sequence[Shown]


def contact_sheet(classes: Sequence[ClassSheet], *, side: int = 72, title: str = "") -> Image.Image:
    """The classes one below the other, three rows of squares of `side` pixels each.

    Under a synthetic image stands ``kept`` or, in colour and with the image framed, why it was dropped, where it was
    judged; under its neighbour the distance. Images that are not square are shown whole, on grey.
    """
    across = max((max(len(sheet.real), len(sheet.synthetic)) for sheet in classes), default=0)
    block = _block(side)
    words = [(title, LETTERS + 2), *((_caption(sheet), LETTERS + 1) for sheet in classes)]
    longest = max(_font(size).getlength(text) for text, size in words)
    width = max(NAME_WIDTH + across * (side + GAP), round(longest) + GAP) + GAP
    picture = Image.new("RGB", (width, _head(title) + len(classes) * block), "white")
    pen = ImageDraw.Draw(picture)
    pen.text((GAP, GAP), title, INK, _font(LETTERS + 2))
    for number, sheet in enumerate(classes):
        _draw_class(picture, pen, sheet, _head(title) + number * block, side)
    return picture


def _caption(sheet: ClassSheet) -> str:
    if any(shown.reason is None for shown in sheet.synthetic):
        return sheet.name
    kept = sum(not shown.reason for shown in sheet.synthetic)
    return f"{sheet.name}: {kept} of {len(sheet.synthetic)} shown are kept"


def _fate(shown: Shown) -> str:
    return "" if shown.reason is None else shown.reason.replace("_", " ") or "kept"


def _head(title: str) -> int:
    return LETTERS + 4 * GAP if title else GAP


def _block(side: int) -> int:
    """Height of a class: its name, a row without words, two with words."""
    return (LETTERS + 3 * GAP) + (side + GAP) + 2 * _row(side) + GAP


def _row(side: int) -> int:
    return side + LETTERS + 3 * GAP


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _draw_class(picture: Image.Image, pen: ImageDraw.ImageDraw, sheet: ClassSheet, top: int, side: int) -> None:
    pen.text((GAP, top), _caption(sheet), INK, _font(LETTERS + 1))
    first = top + LETTERS + 3 * GAP
    tops = first, first + side + GAP, first + side + GAP + _row(side)
    for name, row in zip(ROWS, tops, strict=True):
        pen.text((NAME_WIDTH - GAP, row + side // 2), name, GREY, _font(LETTERS), anchor="rm")
    for place, image in enumerate(sheet.real):
        picture.paste(_square(image, side), (_left(place, side), tops[0]))
    for place, shown in enumerate(sheet.synthetic):
        left = _left(place, side)
        picture.paste(_square(shown.image, side), (left, tops[1]))
        picture.paste(_square(shown.nearest, side), (left, tops[2]))
        _say(pen, _fate(shown), (left, tops[1]), side, VERMILION if shown.reason else GREY)
        _say(pen, f"{shown.distance:.3g}", (left, tops[2]), side, GREY)
        if shown.reason:
            pen.rectangle((left, tops[1], left + side - 1, tops[1] + side - 1), outline=VERMILION, width=FRAME)


def _left(place: int, side: int) -> int:
    return NAME_WIDTH + place * (side + GAP)


def _say(pen: ImageDraw.ImageDraw, words: str, corner: tuple[int, int], side: int, colour: str) -> None:
    """Words under a square, in letters as small as they must be to fit, but not below 6 pixels."""
    left, top = corner
    size = next((size for size in range(LETTERS, 6, -1) if pen.textlength(words, _font(size)) <= side + GAP), 6)
    while pen.textlength(words, _font(size)) > side + GAP and " " in words:
        words = shorten(words, len(words) - 1, placeholder="…")
    pen.text((left + side // 2, top + side + GAP), words, colour, _font(size), anchor="ma")


def _square(image: np.ndarray, side: int) -> Image.Image:
    """The whole image in the middle of a square."""
    pixels = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    result = Image.fromarray(pixels).convert("RGB")
    scale = side / max(result.size)
    shape = tuple(max(1, round(scale * length)) for length in result.size)
    small = result.resize(shape, Image.Resampling.NEAREST if scale > 2 else Image.Resampling.BICUBIC)
    square = Image.new("RGB", (side, side), "#E6E6E6")
    square.paste(small, ((side - shape[0]) // 2, (side - shape[1]) // 2))
    return square

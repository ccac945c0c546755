"""Small pictures in a grid, one row for each name, several rows side by side where there are many."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

NAME_WIDTH, GAP, LETTERS = 104, 3, 13
INK = (30, 30, 30)


def thumbnails(
    rows: Mapping[str, Sequence[np.ndarray]], columns: Sequence[str], *, side: int, across: int = 2
) -> Image.Image:
    """The pictures of each row, (h, w, 3) uint8 each, as squares of `side` pixels under the names of `columns`.

    Parameters
    ----------
    across
        How many rows stand beside each other.
    """
    step, per_block = side + GAP, -(-len(rows) // across)
    block = NAME_WIDTH + len(columns) * step + GAP
    sheet = Image.new("RGB", (across * block, LETTERS + 3 * GAP + per_block * step), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(LETTERS)
    for left in range(0, across * block, block):
        for number, title in enumerate(columns):
            pen.text((left + NAME_WIDTH + (number + 0.5) * step, GAP), title, INK, font, anchor="ma")
    for number, (name, pictures) in enumerate(rows.items()):
        left, top = number // per_block * block, LETTERS + 3 * GAP + number % per_block * step
        pen.text((left + NAME_WIDTH - 2 * GAP, top + side // 2), name, INK, font, anchor="rm")
        for place, picture in enumerate(pictures):
            small = Image.fromarray(picture).resize((side, side), Image.Resampling.BOX)
            sheet.paste(small, (left + NAME_WIDTH + place * step, top))
    return sheet


def compact_png(sheet: Image.Image, colours: int = 256) -> bytes:
    """`sheet` as a PNG with a palette, whose gaps are dithered: about a third of the size of one without."""
    stream = BytesIO()
    palette = sheet.quantize(colours)
    sheet.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(stream, "PNG", optimize=True)
    return stream.getvalue()

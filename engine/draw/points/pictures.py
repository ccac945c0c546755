"""The images themselves on the map, one in each cell of a grid, so that none covers another."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from gapscope.core.errors import InputError
from gapscope.draw.canvas import PAGE, PALE, PHOTOGRAPH, Size
from gapscope.draw.points.aggregate import counts
from gapscope.draw.points.categories import checked
from gapscope.draw.points.cloud import Cloud
from gapscope.draw.points.key import Swatches
from gapscope.draw.points.palette import CATEGORIES
from gapscope.draw.points.shade import above, rgb
from gapscope.draw.points.sheet import Sheet, captioned, pixels, scale_note, sheet, titled
from gapscope.draw.points.transform import nearest, radius
from gapscope.draw.points.window import Window

# Pixels of an image and its frame, and of the cell around them.
SIDE, FRAME, CELL = 40, 2, 52
MOST = 120

Images = Callable[[int], np.ndarray | None] | Sequence[np.ndarray | None]


def pictures(
    x: np.ndarray,
    y: np.ndarray,
    images: Images,
    *,
    codes: np.ndarray | None = None,
    names: Sequence[str] = (),
    most: int = MOST,
    title: str | None = None,
    note: str = "",
    size: Size = PAGE,
) -> Figure:
    """Some images of the points ``x, y : (n,)`` where they lie, on all points in grey.

    Parameters
    ----------
    images
        By row, (h, w), (h, w, 1) or (h, w, 3) uint8, or None for one that is missing: a function or a sequence. Only
        those that are drawn are asked for.
    codes : (n,)
        Up to 20 categories, indices of `names`, which give the images their frames; negative for none.
    most
        How many to draw; of more cells with points, those with the most.
    """
    cloud = Cloud.of(x, y)
    window, reach = Window.around([cloud], *pixels(size)), radius(cloud.n)
    codes = checked(np.full(len(cloud.kept), -1) if codes is None else np.asarray(codes), names)
    cloud.column(codes, "codes")
    if len(names) > len(CATEGORIES):
        raise InputError(f"frames for {len(names):,} categories; give at most {len(CATEGORIES)}, such as groups")
    points, places, cells = chosen(cloud, window, most)
    rows = np.flatnonzero(cloud.kept)[points]
    ask = images if callable(images) else images.__getitem__
    shown = {row: thumbnail(one) for row in rows.tolist() if (one := ask(row)) is not None}
    there = np.unique(codes[list(shown)][codes[list(shown)] >= 0]) if shown else []
    key = Swatches([CATEGORIES[one] for one in there], [names[one] for one in there])
    caption = captioned(cloud.caption(), _left_out(len(shown), len(rows), cells), scale_note(window), note)
    finding = f"{len(shown):,} of {cloud.n:,} images, where they lie on the map"
    page = sheet(size, titled(title, finding), caption, key=key.height(size))
    raster = np.full((window.height, window.width, 3), 255, np.uint8)
    page.show(page.panels[0], window, above(rgb(PALE), nearest(counts(cloud, window) > 0, reach)[0], raster))
    for row, place in zip(rows.tolist(), places, strict=True):
        if row in shown:
            colour = CATEGORIES[codes[row]] if codes[row] >= 0 else "white"
            _paste(page, window, shown[row], place, rgb(colour))
    key.draw(page)
    return page.figure


def chosen(cloud: Cloud, window: Window, most: int = MOST) -> tuple[np.ndarray, np.ndarray, int]:
    """The point nearest to the middle of its cell for the `most` fullest cells of 52 x 52 pixels.

    Returns
    -------
    points : (q,)
        Of the cloud.
    places : (q, 2)
        Lower left corners of their cells in pixels.
    cells
        How many cells have points.
    """
    across_, up = window.pixels(cloud.x, cloud.y)
    columns, lines = max(1, window.width // CELL), max(1, window.height // CELL)
    column, line = (
        np.clip(one // CELL, 0, last - 1).astype(np.int64) for one, last in ((across_, columns), (up, lines))
    )
    cell = line * columns + column
    far = (across_ - (column + 0.5) * CELL) ** 2 + (up - (line + 0.5) * CELL) ** 2
    order = np.lexsort((far, cell))
    there, first, filled = np.unique(cell[order], return_index=True, return_counts=True)
    fullest = np.argsort(-filled, kind="stable")[:most]
    corners = np.column_stack([there % columns, there // columns]) * CELL
    return order[first[fullest]], corners[fullest], len(there)


def thumbnail(image: np.ndarray) -> np.ndarray:
    """An image as ``(h, w, 3)`` uint8 whose longer side has 40 pixels."""
    image = np.asarray(image)
    image = (
        np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2) if image.ndim == 2 or image.shape[2] == 1 else image
    )
    tall, wide = image.shape[:2]
    shrunk = SIDE / max(tall, wide)
    inside = max(1, round(wide * shrunk)), max(1, round(tall * shrunk))
    way = Image.Resampling.BOX if shrunk < 1 else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(inside, way))


def _paste(page: Sheet, window: Window, image: np.ndarray, place: np.ndarray, frame: np.ndarray) -> None:
    """An image in the middle of its cell, with its frame."""
    tall, wide = (side + 2 * FRAME for side in image.shape[:2])
    framed = np.broadcast_to(frame, (tall, wide, 3)).copy()
    framed[FRAME:-FRAME, FRAME:-FRAME] = image
    left, low = (int(corner) + (CELL - side) // 2 for corner, side in zip(place, (wide, tall), strict=True))
    unit = (window.right - window.left) / window.width, (window.top - window.bottom) / window.height
    x = [window.left + unit[0] * (left + edge) for edge in (0, wide)]
    y = [window.bottom + unit[1] * (low + edge) for edge in (0, tall)]
    panel = page.panels[0]
    way = {"origin": "lower", "extent": (*x, *y), "aspect": "auto", "interpolation": "none"}
    panel.imshow(framed[::-1], zorder=2, gid=PHOTOGRAPH, **way)
    panel.set(xlim=window.extent[:2], ylim=window.extent[2:])


def _left_out(drawn: int, wanted: int, cells: int) -> str:
    """What the grid leaves out."""
    few = f"Images in the {wanted:,} fullest of {cells:,} cells." if wanted < cells else ""
    missing = f"{wanted - drawn:,} images are missing." if drawn < wanted else ""
    return captioned(f"In each cell the point nearest to its middle. {few}", missing)

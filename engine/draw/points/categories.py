"""Points in the colours of their classes, of their sets or of whatever else has names."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from gapscope.core.errors import InputError
from gapscope.core.text import counted
from gapscope.draw.canvas import BLUE, PAGE, PALE, VERMILION, Size
from gapscope.draw.points.aggregate import counts, counts_by
from gapscope.draw.points.cloud import Cloud
from gapscope.draw.points.key import Swatches
from gapscope.draw.points.middles import Middles
from gapscope.draw.points.names import placed, write
from gapscope.draw.points.palette import AGAIN, CATEGORIES, apart
from gapscope.draw.points.shade import RARE_RADIUS, above, commonest, dotted, is_rare, mixed, rgb, shades
from gapscope.draw.points.sheet import captioned, pixels, scale_note, sheet, titled, told_dots
from gapscope.draw.points.transform import nearest, radius
from gapscope.draw.points.window import Window

# Categories up to which colours alone are enough, and names on a map beyond which none is read.
ALONE, MOST_NAMES = 7, 40
UNKNOWN = -1


class Coded(NamedTuple):
    """The colour of each point.

    Attributes
    ----------
    codes : (m,)
        Which colour, -1 for none.
    colours
        As written for Matplotlib.
    many
        Whether there are too many categories for a colour each: a pixel then has its commonest colour, not the mean.
    """

    codes: np.ndarray
    colours: Sequence[str]
    many: bool = False


def categories(
    x: np.ndarray,
    y: np.ndarray,
    codes: np.ndarray,
    names: Sequence[str],
    *,
    colours: Sequence[str] | None = None,
    unknown: str = "no label",
    named: bool | None = None,
    title: str | None = None,
    note: str = "",
    size: Size = PAGE,
) -> Figure:
    """Points ``x, y : (n,)`` of the categories ``codes : (n,)``, indices of `names`, negative where unknown.

    Up to 20 categories have a colour each, in the key. Beyond, ten colours are used again and again, equal ones far
    apart, and names stand on the map where there is room; the caption says how many. For fewer, hand over the codes
    and names of groups. A pixel has the mean colour of its points, or that of most of them where colours are used
    again; a category with no more than a thousandth of all points would be lost in it and lies on top. Points of
    unknown category are pale and lie below.

    Parameters
    ----------
    colours
        By category, instead of the palette.
    named
        Whether to write names on the map as well; with more than seven categories when not given.
    """
    cloud = Cloud.of(x, y)
    window, codes = Window.around([cloud], *pixels(size)), checked(cloud.column(codes, "codes"), names)
    middles = Middles.of(cloud, codes, len(names))
    coded, key = _coloured(codes, names, middles, colours, unknown)
    raster, result = painted(cloud, coded, window)
    there = np.count_nonzero(middles.totals)
    room = MOST_NAMES if named or (named is None and there > ALONE) else 0
    written = placed(size, window, middles, names, room)
    result = captioned(
        cloud.caption(),
        told_dots(radius(cloud.n)),
        result,
        _told_names(len(written), there) if room else "",
        scale_note(window),
        note,
    )
    page = sheet(size, titled(title, _finding(middles.totals, names)), result, key=key.height(size))
    page.show(page.panels[0], window, raster)
    write(page, written)
    key.draw(page)
    return page.figure


def answers(
    x: np.ndarray, y: np.ndarray, right: np.ndarray, *, title: str | None = None, note: str = "", size: Size = PAGE
) -> Figure:
    """Points ``x, y : (n,)`` whose answers are right, 1 or True, or wrong, 0 or False; NaN or None where unknown."""
    right = np.asarray(right)
    known = np.array([one is not None for one in right]) if right.dtype == object else np.ones(len(right), bool)
    values = np.where(known, right, np.nan).astype(np.float64)
    codes = np.where(np.isnan(values), UNKNOWN, values == 0).astype(np.int64)
    judged = Cloud.of(x, y).column(codes, "answers")
    n = int((judged >= 0).sum())
    finding = f"{(judged == 0).sum() / n:.1%} of {n:,} answers are right" if n else "No answer is known"
    return categories(
        x, y, codes, ("right", "wrong"), colours=(BLUE, VERMILION), unknown="not known", named=False,
        title=titled(title, finding), note=note, size=size,
    )  # fmt: skip


def checked(codes: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Codes as int64, -1 where unknown.

    Raises
    ------
    InputError
        A code has no name.
    """
    codes = np.asarray(codes)
    if codes.dtype.kind not in "iub":
        raise InputError(f"codes are of type {codes.dtype}; give whole numbers, negative for unknown categories")
    if codes.max(initial=UNKNOWN) >= len(names):
        raise InputError(f"code {codes.max()} has no name; {len(names):,} names were given, for codes from 0")
    return np.maximum(codes.astype(np.int64), UNKNOWN)


def painted(cloud: Cloud, coded: Coded, window: Window) -> tuple[np.ndarray, str]:
    """The raster ``(h, w, 3)`` of points in their colours, and what has to be said of it."""
    reach, shown = radius(cloud.n), shades(coded.colours)
    by = counts_by(cloud, coded.codes, len(shown), window)
    there, totals = by.any(axis=0), by.sum(axis=(1, 2), dtype=np.int64)
    raster = dotted((commonest if coded.many else mixed)(by, shown), there, reach)
    pale = cloud.only(coded.codes < 0)
    if pale.n:
        bare = nearest(counts(pale, window) > 0, reach)[0] & ~nearest(there, reach)[0]
        raster = above(rgb(PALE), bare, raster)
    rare = np.flatnonzero(is_rare(totals))
    for one in rare[np.argsort(-totals[rare], kind="stable")]:
        raster = above(shown[one], nearest(by[one] > 0, max(reach, RARE_RADIUS))[0], raster)
    return raster, "Categories with 0.1 % of the points or fewer lie on top." if len(rare) else ""


def _coloured(
    codes: np.ndarray, names: Sequence[str], middles: Middles, colours: Sequence[str] | None, unknown: str
) -> tuple[Coded, Swatches]:
    """A colour for each point, and the key to them, without categories whose colours are used again."""
    there = np.flatnonzero(middles.totals)
    without = int((codes < 0).sum())
    rest = Swatches([PALE], [f"{unknown}  {without:,}"]) if without else Swatches([], [])
    if colours is None and len(there) > len(CATEGORIES):
        again = apart(middles.places, middles.totals)
        return Coded(np.where(codes < 0, UNKNOWN, again[codes]), CATEGORIES[:AGAIN], many=True), rest
    if colours is None:
        places = range(len(names)) if len(names) <= len(CATEGORIES) else np.cumsum(middles.totals > 0) - 1
        colours = [CATEGORIES[place] for place in places]
    labels = [f"{names[one]}  {middles.totals[one]:,}" for one in there]
    key = Swatches([*(colours[one] for one in there), *rest.colours], [*labels, *rest.labels])
    return Coded(codes, colours), key


def _finding(totals: np.ndarray, names: Sequence[str]) -> str:
    """How many points of how many categories, and which is the largest."""
    n, there = int(totals.sum()), np.count_nonzero(totals)
    if not n:
        return "No point has a category"
    if there == 1:
        return f"{n:,} point{'s' * (n != 1)}, all of {names[totals.argmax()]}"
    if totals.max() == totals[totals > 0].min():
        return f"{counted(n, 'point')} of {counted(there, 'category', 'categories')}, {totals.max():,} of each"
    said = f"{counted(n, 'point')} of {counted(there, 'category', 'categories')}"
    return f"{said}; the largest is {names[totals.argmax()]}, with {totals.max():,}"


def _told_names(written: int, there: int) -> str:
    """What the reader has to know of names, and of colours where these are used again."""
    few = f"Names of {written:,} of {there:,} categories, those first that have most points closest together."
    again = "A place has the colour of most of its points; equal colours far apart are different categories."
    return captioned(few if written < there else "", again if there > len(CATEGORIES) else "")

"""The same map once for each category, whose points are coloured on all the others in grey."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from gapscope.core.text import counted
from gapscope.draw.canvas import BLUE, PAGE, PALE, Size
from gapscope.draw.points.aggregate import counts, counts_by
from gapscope.draw.points.categories import checked
from gapscope.draw.points.cloud import Cloud
from gapscope.draw.points.key import Swatches
from gapscope.draw.points.shade import above, rgb
from gapscope.draw.points.sheet import captioned, pixels, room, scale_note, sheet, shortened, titled
from gapscope.draw.points.transform import nearest, radius
from gapscope.draw.points.window import Window

# Categories that are drawn, the largest; panels beside each other at the width of a page.
MOST, COLUMNS = 20, 5


def multiples(
    x: np.ndarray,
    y: np.ndarray,
    codes: np.ndarray,
    names: Sequence[str],
    *,
    most: int = MOST,
    title: str | None = None,
    note: str = "",
    size: Size = PAGE,
) -> Figure:
    """A panel for each of the `most` largest categories of the points ``x, y, codes : (n,)``, in the order of names."""
    cloud = Cloud.of(x, y)
    codes = checked(cloud.column(codes, "codes"), names)
    totals = np.bincount(codes[codes >= 0], minlength=len(names))
    there = np.count_nonzero(totals)
    shown = np.sort(np.argsort(-totals, kind="stable")[: min(most, there)])
    columns = _columns(len(shown), size)
    window, reach = Window.around([cloud], *pixels(size, columns, 1.0)), max(0, radius(cloud.n) - 1)
    everything = nearest(counts(cloud, window) > 0, reach)[0]
    place = np.full(len(names) + 1, -1)
    place[shown] = np.arange(len(shown))
    by = counts_by(cloud, place[codes], len(shown), window)
    own = [nearest(one > 0, reach)[0] for one in by] or [np.zeros_like(everything)]
    key = Swatches([BLUE, PALE], ["points of the category", "all points"])
    few = f"The largest {len(shown):,} of {counted(there, 'category', 'categories')}." if len(shown) < there else ""
    result = captioned(cloud.caption(), few, scale_note(window), note)
    heads = [_head(names[one], totals[one], room(size, columns)) for one in shown] or ["no category"]
    finding = f"Where each of {counted(there, 'category', 'categories')} lies among {counted(cloud.n, 'point')}"
    page = sheet(size, titled(title, finding), result, key=key.height(size), heads=heads, columns=columns, tall=1.0)
    ground = above(rgb(PALE), everything, np.full((*everything.shape, 3), 255, np.uint8))
    for panel, mask in zip(page.panels, own, strict=True):
        page.show(panel, window, above(rgb(BLUE), mask, ground))
    key.draw(page)
    return page.figure


def _head(name: str, n: int, letters: int) -> str:
    """A name, shortened where it must be, and how many points it has."""
    count = f", {n:,}"
    return shortened(name, max(1, letters - len(count))) + count


def _columns(panels: int, size: Size) -> int:
    """Panels side by side: as many as fit, and no fewer than make a small figure."""
    return max(2, min(panels, round(COLUMNS * size.width / PAGE.width)))

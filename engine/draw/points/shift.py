"""Where a target set has more or fewer points than a reference: both densities and their ratio, on one extent."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from gapscope.draw.canvas import PAGE, Size
from gapscope.draw.points.aggregate import counts
from gapscope.draw.points.cloud import Cloud
from gapscope.draw.points.denser import Denser, denser
from gapscope.draw.points.key import Bar
from gapscope.draw.points.shade import ramp
from gapscope.draw.points.sheet import MARGIN, across, captioned, scale_note, sheet, titled
from gapscope.draw.points.transform import Scale, log_ratio
from gapscope.draw.points.window import Window

# Grey in its middle, where both sets are equally dense: Moreland (2009), "Diverging color maps".
DENSITY, RATIO = "viridis_r", "coolwarm"
# Sides of a cell in pixels: the smallest in which half of the points of the smaller set share theirs with so many, or
# with an eighth of that set where it is small, but with as many as a colour takes, or an eighth of both sets.
SIDES, TOGETHER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128), 20
PARTS = 8
# With fewer points of both sets a cell is neutral; the scale goes to so many doublings at most.
FEWEST, STEEPEST = 8, 5


class Shifted(NamedTuple):
    """Both sets counted on the same cells.

    Attributes
    ----------
    reference, target : (h, w)
        Points.
    ratio : (h, w) float64
        log2 of target density over reference density; 0 with too few points, NaN without any.
    window
        Of the cells.
    side
        Pixels of a cell.
    """

    reference: np.ndarray
    target: np.ndarray
    ratio: np.ndarray
    window: Window
    side: int

    @property
    def limit(self) -> int:
        """Doublings at both ends of the scale, of which one cell in a hundred may have more."""
        judged = np.abs(self.ratio[np.isfinite(self.ratio) & (self.ratio != 0)])
        return int(np.clip(np.ceil(np.quantile(judged, 0.99)), 1, STEEPEST)) if judged.size else 1

    @property
    def denser(self) -> "Denser":
        """Share of the target's points in cells where it is at least twice as dense as the reference."""
        there = self.reference + self.target > 0
        return denser(self.reference[there], self.target[there])


def shifted(reference: Cloud, target: Cloud, window: Window) -> Shifted:
    """Count both on the finest cells of `window` in which enough points are together."""
    for side in SIDES:
        cells = window.sized(max(1, window.width // side), max(1, window.height // side))
        both = [counts(cloud, cells) for cloud in (reference, target)]
        smaller = min(both, key=np.sum)
        total = int(sum(one.sum() for one in both))
        together = min(max(FEWEST, min(TOGETHER, smaller.sum() // PARTS)), total // PARTS)
        if smaller[both[0].astype(np.int64) + both[1] >= together].sum() * 2 >= smaller.sum():
            break
    return Shifted(*both, log_ratio(both[1], both[0], FEWEST), cells, side)


def shift(
    reference: tuple[np.ndarray, np.ndarray],
    target: tuple[np.ndarray, np.ndarray],
    names: tuple[str, str] = ("reference", "target"),
    *,
    title: str | None = None,
    note: str = "",
    size: Size = PAGE,
) -> Figure:
    """Three panels of two sets, each ``(x, y)`` of one map: shares of the one, of the other, and how they differ.

    Both densities have one scale; the ratio has one with equal ends, on which cells with fewer than eight points of
    both together are neutral, and all cells where no more lies in dense ones than by chance.
    """
    clouds, width = [Cloud.of(*one) for one in (reference, target)], across(size, 3)
    window = Window.around(clouds, width, width)
    result = shifted(*clouds, window)
    shares = [100 * one / one.sum() for one in (result.reference, result.target)]
    dense, ratio = _density_bar(shares, width), _ratio_bar(result.limit, names, width)
    found = result.denser
    seen = result.ratio if found.beyond else np.where(np.isfinite(result.ratio), 0.0, np.nan)
    few = f"neutral with fewer than {FEWEST} points of both" if found.beyond else "all neutral, for it may be chance"
    caption = captioned(
        *(f"{name}: {cloud.caption()}" for name, cloud in zip(names, clouds, strict=True)),
        f"Cells of {result.side} x {result.side} pixels; the ratio is {few}.",
        scale_note(window),
        note,
    )
    page = sheet(
        size,
        titled(title, told_denser(found, names)),
        caption,
        key=dense.height(size),
        heads=[*names, "ratio"],
        columns=3,
        tall=1.0,
    )
    for panel, share in zip(page.panels, shares, strict=False):
        page.show(panel, result.window, ramp(dense.scale(np.where(share > 0, share, np.nan)), DENSITY))
    page.show(page.panels[2], result.window, ramp(ratio.scale(seen), RATIO))
    dense.draw(page)
    ratio.draw(page)
    return page.figure


def told_denser(share: Denser, names: tuple[str, str]) -> str:
    """The share as the title of a picture says it."""
    if not share.beyond:
        return f"No more of {names[1]} than chance gives lies where it is at least twice as dense as {names[0]}"
    return (
        f"{share.value:.0%} of {names[1]} ({share.low:.0%} to {share.high:.0%}) lies where it is at least twice as "
        f"dense as {names[0]}; by chance it would be {share.chance:.0%}"
    )


def _density_bar(shares: list[np.ndarray], width: int) -> Bar:
    """The key to both densities, in per cent of a set."""
    there = np.concatenate([share[share > 0] for share in shares])
    low, high = float(there.min()), float(there.max())
    powers = [10.0**power for power in range(int(np.ceil(np.log10(low))), int(np.floor(np.log10(high))) + 1)]
    ticks = powers if len(powers) > 1 else sorted({low, *powers, high})
    return Bar(DENSITY, Scale.log(low, high), ticks, [f"{tick:.2g}" for tick in ticks], "% of a set in a cell",
               wide=round(0.9 * width))  # fmt: skip


def _ratio_bar(limit: int, names: tuple[str, str], width: int) -> Bar:
    """The key to the ratio: how many times as dense, below the last panel."""
    ticks = list(range(-limit, limit + 1))
    labels = [f"1/{2**-tick}" if tick < 0 else f"{2**tick}" for tick in ticks]
    unit = f"density of {names[1]}, times that of {names[0]}"
    return Bar(RATIO, Scale.straight(-limit, limit), ticks, labels, unit, left=width + MARGIN, wide=round(1.4 * width))

"""How much each feature has moved, the one that moved most first: whether a shift sits in few features or in all."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from gapscope.core.errors import InputError
from gapscope.draw.canvas import BLUE, GREY, PAGE, PALE, VERMILION, Size, legend, sheet, thousands

NAMED = 3


def spectrum(
    shifts: np.ndarray,
    *,
    unit: str,
    names: Sequence[str] | None = None,
    by_luck: float | None = None,
    title: str | None = None,
    size: Size = PAGE,
) -> Figure:
    """Sizes of ``shifts : (d,)`` by rank, upward and downward moves in different colours; NaN is left out and counted.

    Parameters
    ----------
    names
        Of the features; their numbers when not given.
    by_luck
        A size that features of two samples of one population rarely exceed, drawn as a line.
    title
        The finding; how many features hold half of the squared shift when not given.
    """
    shifts = np.asarray(shifts, np.float64)
    known = np.flatnonzero(np.isfinite(shifts))
    if not len(known):
        raise InputError(f"none of {len(shifts):,} features has a finite shift; there is nothing to draw")
    order = known[np.argsort(-np.abs(shifts[known]), kind="stable")]
    sizes, rank = np.abs(shifts[order]), np.arange(1, len(order) + 1)
    missing = f"; {len(shifts) - len(known):,} left out without a finite shift" if len(known) < len(shifts) else ""
    across = f"features by rank, n = {len(order):,}{missing}"
    figure, axes = sheet(size, 4.4, finding(sizes) if title is None else title, across, f"size of {unit}")
    for label, colour, mark, chosen in (
        ("moved up", VERMILION, "^", shifts[order] >= 0),
        ("moved down", BLUE, "v", shifts[order] < 0),
    ):
        axes.plot(rank[chosen], sizes[chosen], mark, color=colour, markersize=4, linestyle="none", label=label)
    if by_luck is not None:
        axes.axhline(by_luck, color=GREY, linewidth=1, linestyle="--", label=f"by chance at most {by_luck:.3g}")
    if len(order) > 1:
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks([step for step in 10 ** np.arange(10) if step <= len(order)])
        thousands(axes.xaxis)
    axes.set_ylim(0, 1.12 * sizes[0] or 1)
    axes.grid(color=PALE, linewidth=0.5)
    words = [str(one) if names is None else names[one] for one in order[:NAMED]]
    axes.text(0.98, 0.97, "\n".join(["moved most:", *words]), transform=axes.transAxes, ha="right", va="top",
              fontsize=size.letters, parse_math=False)  # fmt: skip
    legend(axes, size)
    return figure


def finding(sizes: np.ndarray) -> str:
    """How many of the features, whose sizes come largest first, hold half of the squared shift.

    >>> finding(np.array([2.0, 1.0, 1.0, 1.0]))
    '1 of 4 features holds half of the squared shift'
    """
    together = np.cumsum(sizes**2)
    half = int(np.searchsorted(together, together[-1] / 2)) + 1
    return f"{half:,} of {len(sizes):,} features hold{'s' * (half == 1)} half of the squared shift"

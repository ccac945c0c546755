"""What each repair does to an accuracy: a ladder from where the model stands to where it could be."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from gapscope.draw.canvas import BLUE, GREEN, GREY, PAGE, PALE, VERMILION, Size, legend, sheet

SAME = 5e-5


def ladder(
    before: float,
    names: Sequence[str],
    regained: np.ndarray,
    intervals: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    reference: float | None = None,
    title: str,
    size: Size = PAGE,
) -> Figure:
    """A rung from `before` by ``regained : (q,)`` for each repair, shares of the target's rows; the best below.

    Parameters
    ----------
    intervals
        Lower and upper ends of `regained`, ``(q,)`` each.
    reference
        Accuracy on the reference, drawn as a line.
    """
    regained = np.asarray(regained, np.float64)
    order = np.argsort(regained, kind="stable")
    figure, axes = sheet(size, 1.7 + 0.34 * len(order), title, "accuracy on the target, %")
    line = np.arange(len(order), dtype=np.float64)[::-1]
    gain = regained[order]
    colours = [GREY if abs(one) < SAME else GREEN if one > 0 else VERMILION for one in gain]
    axes.barh(line, 100 * gain, 0.55, left=100 * before, color=colours)
    if intervals is not None:
        low, high = (np.asarray(end, np.float64)[order] for end in intervals)
        reach = 100 * np.maximum([gain - low, high - gain], 0)
        axes.errorbar(100 * (before + gain), line, xerr=reach, fmt="none", color="black", elinewidth=1, capsize=2)
    axes.axvline(100 * before, color=GREY, linewidth=1, label=f"as it is: {before:.1%}")
    if reference is not None:
        axes.axvline(
            100 * reference, color=BLUE, linewidth=1, linestyle="--", label=f"on the reference: {reference:.1%}"
        )
    axes.set_yticks(line, [f"{size.wrapped(names[one], 0.3)}  {100 * regained[one]:+.2f}" for one in order])
    axes.margins(x=0.08)
    axes.grid(axis="x", color=PALE, linewidth=0.5)
    legend(axes, size)
    return figure

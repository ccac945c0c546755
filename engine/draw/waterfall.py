"""An accuracy that falls from one set to another, step by step, one cause at a time."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from gapscope.blocks.formats import signed
from gapscope.draw.canvas import BLUE, GREEN, GREY, PAGE, PALE, VERMILION, Size, sheet

SAME = 5e-5


def waterfall(
    start: tuple[str, float],
    names: Sequence[str],
    terms: np.ndarray,
    end: str,
    *,
    title: str,
    told: bool = True,
    unit: str = "accuracy, %",
    intervals: tuple[np.ndarray, np.ndarray] | None = None,
    size: Size = PAGE,
) -> Figure:
    """``start = (name, share)``, from which each of ``terms : (q,)`` takes away its part; what is left is the `end`.

    Both ends are marks and no bars, because the axis does not begin at 0. Numbers are points lost, as in tables: a bar
    that leads to the left has a positive one. The title goes on with the largest of the terms that go the way of their
    sum, if that is to be `told`. Accuracies end at 0 and 100 %: an interval that leads on is cut there.
    """
    terms = np.asarray(terms, np.float64)
    levels = start[1] - np.concatenate([[0.0], np.cumsum(terms)])
    bars = len(terms) + 2
    figure, axes = sheet(size, 1.3 + 0.42 * bars, _told(title, names, terms) if told else title, unit)
    line = np.arange(bars)[::-1]
    axes.plot(100 * levels[[0, -1]], line[[0, -1]], "D", color=BLUE, markersize=8, clip_on=False, zorder=3)
    least, most = min(0.0, 100 * levels.min()), max(100.0, 100 * levels.max())
    reach = np.zeros((2, len(terms)))
    lost = [GREY if abs(term) < SAME else VERMILION if term > 0 else GREEN for term in terms]
    axes.barh(line[1:-1], 100 * terms, 0.6, left=100 * levels[1:], color=lost)
    if intervals is not None:
        low, high = (np.asarray(bound, np.float64) for bound in intervals)
        reach = 100 * np.nan_to_num(np.maximum([high - terms, terms - low], 0))
        reach = np.minimum(reach, [100 * levels[1:] - least, most - 100 * levels[1:]])
        axes.errorbar(100 * levels[1:], line[1:-1] + 0.36, xerr=reach, fmt="none", color=GREY, elinewidth=1, capsize=2)
    axes.vlines(100 * levels, line[:-1] - 1.3, line[:-1] + 0.3, color=GREY, linewidth=0.6, linestyle=":")
    labels = [f"{start[0]}  {start[1]:.1%}", *_labels(names, terms), f"{end}  {levels[-1]:.1%}"]
    axes.set_yticks(line, [size.wrapped(label, 0.42) for label in labels])
    ends = np.concatenate([100 * levels, 100 * levels[1:] - reach[0], 100 * levels[1:] + reach[1]])
    room = max(np.ptp(ends), 1.0)
    axes.set_xlim(max(ends.min() - 0.05 * room, least), min(ends.max() + 0.05 * room, most))
    axes.grid(axis="x", color=PALE, linewidth=0.5)
    return figure


def _told(title: str, names: Sequence[str], terms: np.ndarray) -> str:
    whole = terms.sum()
    parts = np.sign(whole) * terms
    if parts.max(initial=0.0) < SAME:
        return title
    most = int(parts.argmax())
    return f"{title}: most by {names[most]}, {100 * parts[most]:.1f} of {100 * abs(whole):.1f} points"


def _labels(names: Sequence[str], terms: np.ndarray) -> list[str]:
    return [f"{name}  {signed(term)}" for name, term in zip(names, terms, strict=True)]

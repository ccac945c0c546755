"""How often answers are right that are given with some confidence: the reliability diagram."""

import numpy as np
from matplotlib.figure import Figure

from gapscope.draw.canvas import BLUE, GREY, PAGE, PALE, VERMILION, Size, legend, sheet

# Normal quantile of a 95 % interval.
Z = 1.959964


def reliability(
    low: np.ndarray,
    high: np.ndarray,
    n: np.ndarray,
    confidence: np.ndarray,
    accuracy: np.ndarray,
    *,
    title: str,
    size: Size = PAGE,
) -> Figure:
    """Bars of the answers with a confidence in ``(low, high]``, ``(q,)`` each; their 95 % intervals: Wilson (1927).

    Parameters
    ----------
    n
        Answers in each bar; their share of all is written under it.
    confidence, accuracy
        Means of the bar, shares between 0 and 1.
    """
    low, high, confidence, accuracy = (100 * np.asarray(one, np.float64) for one in (low, high, confidence, accuracy))
    n = np.asarray(n)
    figure, axes = sheet(size, 5.2, f"{title}, n = {n.sum():,}", "confidence, %", "right, %")
    below, above = (100 * bound for bound in wilson(accuracy / 100, n))
    axes.bar(low, accuracy, high - low, align="edge", color=BLUE, edgecolor="white", label="right")
    reach = np.maximum([accuracy - below, above - accuracy], 0)
    axes.errorbar((low + high) / 2, accuracy, reach, fmt="none", color=GREY, elinewidth=1, capsize=2)
    axes.plot(confidence, confidence, color=GREY, linestyle=":", linewidth=1, label="as right as sure")
    axes.plot(confidence, accuracy, "D", color=VERMILION, markersize=4, label="at the mean confidence of a bar")
    for left, right, count in zip(low, high, n, strict=True):
        axes.text((left + right) / 2, 1.5, _share(count / n.sum()), ha="center", va="bottom", color="white",
                  fontsize=0.8 * size.letters, rotation=90 if size.width < PAGE.width else 0)  # fmt: skip
    axes.set(xlim=(min(low.min(), 0), 100), ylim=(0, 100))
    axes.grid(axis="y", color=PALE, linewidth=0.5)
    legend(axes, size)
    return figure


def wilson(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % score interval of shares of `n`.

    >>> [round(float(end), 4) for end in wilson(np.array(0.5), np.array(10))]
    [0.2366, 0.7634]
    """
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return middle - reach, middle + reach


def _share(share: float) -> str:
    return "<1%" if share < 0.01 else f"{share:.0%}"

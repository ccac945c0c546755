"""Changes with their intervals and tests, which studies keep as arrays ``value``, ``low``, ``high``, ``adjusted_p``."""

from collections.abc import Mapping

import numpy as np

from gapscope.blocks import Estimate, estimate
from gapscope.blocks.formats import cell_text, points

LEVEL = 0.05
GAINS, LOSES, CHANCE = "gains", "loses", "may be chance"
Changes = Mapping[str, np.ndarray]
Place = int | tuple[int, ...]


def at(changes: Changes, place: Place) -> Estimate:
    """One of them with its interval."""
    return estimate(*(changes[name][place] for name in ("value", "low", "high")))


def direction(changes: Changes, place: Place) -> int:
    """1 for a rise and -1 for a fall that chance does not explain, else 0."""
    return int(np.sign(changes["value"][place])) if changes["adjusted_p"][place] <= LEVEL else 0


def verdict(way: int) -> str:
    """A `direction` in words."""
    return {1: GAINS, -1: LOSES}.get(way, CHANCE)


def signed_points(change: Estimate) -> str:
    """A change in points with its sign and interval.

    >>> signed_points(Estimate(0.138, 0.092, 0.183))
    '+13.8 points (+9.2 to +18.3)'
    """
    value, _, interval = cell_text(change, "change").partition(" ")
    return f"{value} points {interval}".rstrip()


def size(change: Estimate) -> str:
    """A change in points without its sign, and its interval.

    >>> size(Estimate(-0.138, -0.183, -0.092))
    '13.8 points (9.2 to 18.3)'
    """
    ends = sorted((change.low, change.high) if change.value > 0 else (-change.low, -change.high))
    low, high = (f"{100 * end:.1f}" for end in ends)
    return f"{points(change.value)} ({low} to {high})"

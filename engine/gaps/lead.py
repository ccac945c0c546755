"""Which cause of a gap is named first: the largest that is beyond chance, after as many were looked at.

The largest of several terms is large by chance more often than a single one. So a term is named only where its interval
leaves 0 out at a level corrected for the number of terms (Bonferroni); intervals at that level follow from those at
95 % as those of a normal distribution do, because a bootstrap of 200 replicates has no such tails of its own.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from gapscope.inference.interval import LEVEL


class Stated(NamedTuple):
    """A term with its 95 % interval; NaN where it has none."""

    name: str
    value: float
    low: float
    high: float


def largest(terms: Sequence[Stated], gap: float) -> Stated | None:
    """The term that moves accuracy most in the direction of the gap; None where none does."""
    return _largest(terms, -1 if gap < 0 else 1)


def lead(terms: Sequence[Stated], gap: float) -> Stated | None:
    """The largest of the terms that move accuracy as the gap does, beyond chance for all that were looked at."""
    sign = -1 if gap < 0 else 1
    looked_at = sum(bool(np.isfinite(one.low)) for one in terms)
    return _largest([one for one in terms if _beyond_chance(one, sign, looked_at)], sign)


def _largest(terms: Sequence[Stated], sign: int) -> Stated | None:
    return max((one for one in terms if sign * one.value > 0), key=lambda one: sign * one.value, default=None)


def _beyond_chance(term: Stated, sign: int, looked_at: int) -> bool:
    """Whether an interval for one of so many terms leaves 0 out on the side of `sign`."""
    if not np.isfinite(term.low):
        return False
    near = term.low if sign > 0 else term.high
    normal, tail = NormalDist(), (1 - LEVEL) / 2
    wider = normal.inv_cdf(tail / looked_at) / normal.inv_cdf(tail)
    reach = wider * max(sign * (term.value - near), (term.high - term.low) / 2)
    return min(sign * near, sign * term.value - reach) > 0

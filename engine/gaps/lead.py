"""Which cause of a gap is named first: the largest that is beyond chance, after as many were looked at.

The largest of several terms is large by chance more often than a single one. So a term is named only where its interval
leaves 0 out at a level corrected for the number of terms.
"""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from gapscope.inference import leaves_zero_out


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
    known = [one for one in terms if isfinite(one.low)]
    return _largest([one for one in known if leaves_zero_out(*one[1:], tests=len(known))], sign)


def _largest(terms: Sequence[Stated], sign: int) -> Stated | None:
    return max((one for one in terms if sign * one.value > 0), key=lambda one: sign * one.value, default=None)

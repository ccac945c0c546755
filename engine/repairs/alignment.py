"""Repairs that bring the target's rows to those of the reference: means, scales, covariances, or a few directions.

The same maps as in `gapscope.remedies`, of the rows that the head sees, folded into it.
"""

import numpy as np
from scipy.linalg import eigh

from gapscope.blocks.formats import percent
from gapscope.remedies.coral import recolouring
from gapscope.remedies.scale import factors
from gapscope.repairs.fitted import Fitted, Old, folded
from gapscope.repairs.seen import Labelled, Seen
from gapscope.summaries.shrinkage import oas_share, shrunk

Array = np.ndarray
# A direction is removed from this ratio of variances on, three times the deviation; and at most so many of them.
OUTSIDE, MOST_DIRECTIONS = 9.0, 10


def nothing(old: Old, _reference: Labelled, _target: Seen) -> Fitted:
    """The head as it is."""
    return Fitted(old.rule, "the model as it is")


def mean(old: Old, reference: Labelled, target: Seen) -> Fitted:
    """The head for rows whose mean is moved to that of the reference."""
    wanted, result = _both(reference, target)
    return Fitted(folded(old.rule, result.mean, wanted.mean - result.mean), _rows("means", reference, target))


def scale(old: Old, reference: Labelled, target: Seen) -> Fitted:
    """The head for rows that have the mean and the deviation of every feature from the reference."""
    wanted, result = both = _both(reference, target)
    head = folded(old.rule, result.mean, wanted.mean - result.mean, factors(both) - 1)
    return Fitted(head, _rows("means and deviations", reference, target))


def coral(old: Old, reference: Labelled, target: Seen) -> Fitted:
    """The head for rows that have the mean and the covariance of the reference; see `gapscope.remedies.coral`."""
    wanted, result = both = _both(reference, target)
    stretch, share = recolouring(both)
    head = folded(old.rule, result.mean, wanted.mean - result.mean, stretch)
    return Fitted(head, f"{_rows('covariances', reference, target)}, each shrunk by {percent(share)} towards a sphere")


def directions(old: Old, reference: Labelled, target: Seen) -> Fitted:
    """The head for rows that are re-centred and then lose the few directions in which they spread far beyond the
    reference: there, a row gets the mean.

    A direction goes where the target's variance is more than `OUTSIDE` times that of the reference; all are found at
    once, as generalised eigenvectors, with the covariance of the reference drawn to a sphere.
    """
    wanted, result = _both(reference, target)
    unit = np.sqrt((wanted.variance(ddof=0) + result.variance(ddof=0)) / 2)
    unit[unit == 0] = 1
    before, after = (one.covariance(ddof=0) / np.outer(unit, unit) for one in (wanted, result))
    if not np.trace(before) > 0:
        return Fitted(None, "the features of the reference do not vary")
    inside = shrunk(before, oas_share(before, wanted.n))
    size, axes = eigh(after, inside)
    count = min(int((size > OUTSIDE).sum()), MOST_DIRECTIONS)
    if not count:
        return Fitted(None, "there is no direction in which target rows spread far beyond the reference")
    axes = axes[:, ::-1][:, :count]
    removed = -(axes / unit[:, None]) @ ((inside @ axes) * unit[:, None]).T
    head = folded(old.rule, result.mean, wanted.mean - result.mean, removed)
    return Fitted(
        head, f"{count} of {len(size)} directions removed, in which target rows spread far beyond the reference"
    )


def quantiles(_old: Old, _reference: Labelled, _target: Seen) -> Fitted:
    """None: a bent feature before a linear head is no linear head."""
    return Fitted(None, "a change of each feature's distribution is no linear head; `gap` measures what it regains")


def _both(reference: Labelled, target: Seen) -> tuple:
    return reference.seen.moments, target.moments


def _rows(what: str, reference: Labelled, target: Seen) -> str:
    return f"{what} of {reference.seen.moments.n:,} reference and {target.moments.n:,} target rows"

"""Repairs for a set whose features and whose class shares have changed: aligned to the reference in the target's mix.

An alignment presumes that both sets have the same classes in the same shares, and makes up for a change of these. Here
the reference is given the shares that the target's predictions have, the target is aligned to it, predicted again, and
so on until the shares stay. Predictions are turned into shares by the confusions of the reference, as in `shares`.

References
----------
Zhang et al. (2013), "Domain adaptation under target and conditional shift": location and scale of the features and
class shares together.
"""

import numpy as np

from gapscope.blocks.formats import percent
from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.remedies.scale import factors
from gapscope.repairs.fitted import Fitted, Old, folded
from gapscope.repairs.seen import Labelled, Seen
from gapscope.repairs.shares import likeliest
from gapscope.summaries.moments import Moments

Array = np.ndarray
ROUNDS, TOLERANCE = 12, 1e-4
# A class that is said to have no rows may still have this share of them.
LEAST_SHARE = 1e-4


def mixture(old: Old, reference: Labelled, target: Seen) -> Fitted:
    """The head for rows with the means and deviations of the reference in the target's class shares."""
    found = old.once(_aligned, reference, target)
    if found is None:
        return Fitted(None, "the reference has no labels, so its classes are not known")
    head, before, after = found
    return Fitted(head, f"means and deviations of {target.moments.n:,} target rows, in {_mix(before, after)}")


def mixture_and_shares(old: Old, reference: Labelled, target: Seen) -> Fitted:
    """The same, with ``T log(target share / reference share)`` added to the score of each class."""
    found = old.once(_aligned, reference, target)
    if found is None:
        return Fitted(None, "the reference has no labels, so its classes are not known")
    head, before, after = found
    known = before > 0
    ratio = np.maximum(after[known], LEAST_SHARE) / before[known]
    weight = np.zeros(len(before))
    weight[known] = old.temperature * np.log(ratio)
    bias = np.where(head.bias > NEVER, head.bias + weight, NEVER).astype(np.float32)
    return Fitted(Linear(head.weight, bias), f"the same, and class shares: {_mix(before, after)}")


def _aligned(old: Old, reference: Labelled, target: Seen) -> tuple[Linear, Array, Array] | None:
    """The head, and the class shares of the reference and of the target; None without labels in the reference."""
    confusion = reference.confusion
    count = confusion.sum(axis=1)
    if not count.any():
        return None
    present = count > 0
    given, before = confusion[present] / count[present, None], count[present] / count.sum()
    head, share = old.rule, before
    for _ in range(ROUNDS):
        guessed = np.bincount(head.scores(target.first).argmax(axis=1), minlength=len(count))
        last, share = share, likeliest(given, guessed, before, share)
        both = in_shares(reference, present, share), target.moments
        head = folded(old.rule, both[1].mean, both[0].mean - both[1].mean, factors(both) - 1)
        if np.abs(share - last).max() < TOLERANCE:
            break
    return head, _everywhere(before, present), _everywhere(share, present)


def _everywhere(share: Array, present: Array) -> Array:
    """Shares of the `present` classes as shares of all."""
    result = np.zeros(len(present))
    result[present] = share
    return result


def in_shares(reference: Labelled, present: Array, share: Array) -> Moments:
    """Means and variances of the features of a reference with other shares of the classes `present`; no covariances."""
    classes = reference.classes
    within = classes.squares.sum(axis=0) / classes.count.sum()
    means = classes.mean[present]
    mean = share @ means
    variance = within + share @ np.square(means - mean)
    n = float(classes.count.sum())
    return Moments(n, mean, np.diag(variance * n))


def _mix(before: Array, after: Array) -> str:
    moved = 0.5 * np.abs(after - before).sum()
    return f"class shares that differ from those of the reference in {percent(moved)} of the rows"

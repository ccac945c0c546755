"""Repairs for a set whose features and whose class shares have changed: aligned to the reference in the target's mix.

An alignment presumes that both sets have the same classes in the same shares, and makes up for a change of these. Here
the reference is given the shares that the target's predictions have, the target is aligned to it, predicted again, and
so on until the shares stay (the steps of an EM algorithm, with the head's probabilities for the responsibilities).

References
----------
Zhang et al. (2013), "Domain adaptation under target and conditional shift": location and scale of the features and
class shares together.
"""

import numpy as np
from scipy.special import softmax

from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.remedies.scale import factors
from gapscope.repairs.fitted import Fitted, Old, folded
from gapscope.repairs.seen import Labelled, Seen
from gapscope.summaries.moments import Moments

Array = np.ndarray
ROUNDS, TOLERANCE = 20, 1e-3
# So much of a row of each class is added to those of the target, in the mix of the reference.
PRIOR_ROWS = 0.5


def mixture(old: Old, reference: Labelled, target: Seen) -> Fitted:
    """The head for rows with the means and deviations of the reference in the target's class shares."""
    found = _aligned(old, reference, target)
    if found is None:
        return Fitted(None, "the reference has no labels, so its classes are not known")
    head, before, after = found
    return Fitted(head, f"means and deviations of {target.moments.n:,} target rows, in {_mix(before, after)}")


def mixture_and_shares(old: Old, reference: Labelled, target: Seen) -> Fitted:
    """The same, with ``T log(target share / reference share)`` added to the score of each class."""
    found = _aligned(old, reference, target)
    if found is None:
        return Fitted(None, "the reference has no labels, so its classes are not known")
    head, before, after = found
    known = before > 0
    weight = np.where(known, np.log(np.where(known, after, 1) / np.where(known, before, 1)), 0) * old.temperature
    bias = np.where(head.bias > NEVER, head.bias + weight, NEVER).astype(np.float32)
    return Fitted(Linear(head.weight, bias), f"the same, and class shares: {_mix(before, after)}")


def _aligned(old: Old, reference: Labelled, target: Seen) -> tuple[Linear, Array, Array] | None:
    """The head, and the class shares of the reference and of the target; None without labels in the reference."""
    count = reference.classes.count
    if not count.any():
        return None
    before, prior = count / count.sum(), PRIOR_ROWS * np.count_nonzero(count)
    head, share = old.rule, before
    for _ in range(ROUNDS):
        p = softmax(head.scores(target.first).astype(np.float64) / old.temperature, axis=1)
        p[:, count == 0] = 0
        last, share = share, (p.sum(axis=0) + prior * before) / (p.sum() + prior)
        both = in_shares(reference, share), target.moments
        head = folded(old.rule, both[1].mean, both[0].mean - both[1].mean, factors(both) - 1)
        if np.abs(share - last).max() < TOLERANCE:
            break
    return head, before, share


def in_shares(reference: Labelled, share: Array) -> Moments:
    """Means and variances of the features of a reference with other class shares ``(k,)``; covariances are left out."""
    classes = reference.classes
    within = classes.squares.sum(axis=0) / classes.count.sum()
    mean = share @ classes.mean
    variance = within + share @ np.square(classes.mean - mean)
    n = float(classes.count.sum())
    return Moments(n, mean, np.diag(variance * n))


def _mix(before: Array, after: Array) -> str:
    return f"class shares that are {0.5 * np.abs(after - before).sum():.0%} others than those of the reference"

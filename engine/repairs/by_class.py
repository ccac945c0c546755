"""Repairs that take the model's own predictions of the target for its labels: T3A, and re-centring class by class.

References
----------
Iwasawa and Matsuo (2021), "Test-time classifier adjustment module for model-agnostic domain generalization": T3A.
"""

import numpy as np

from gapscope.core.text import counted
from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.repairs.fitted import Fitted, Old
from gapscope.repairs.seen import Labelled, Seen

# Rows that a class offset is drawn to the offset of all rows by.
PRIOR_ROWS = 20


def t3a(old: Old, _reference: Labelled, target: Seen) -> Fitted:
    """Each class gets the mean of its weights and of its surest rows, all of length one, in place of its weights.

    As published, scores have no bias and directions alone count; their scale is that of the old weights, which decides
    probabilities and no prediction.
    """
    weight = old.rule.weight.astype(np.float64)
    entropy, _, rows = target.surest
    there = np.isfinite(entropy)[:, :, None]
    supports = np.concatenate([weight[:, None], np.where(there, rows, 0)], axis=1)
    length = np.linalg.norm(supports, axis=2, keepdims=True)
    supports = np.divide(supports, length, out=np.zeros_like(supports), where=length > 0)
    centre = supports.sum(axis=1)
    centre /= np.maximum(np.linalg.norm(centre, axis=1, keepdims=True), np.finfo(float).tiny)
    trained = old.rule.bias > NEVER
    head = centre * np.median(np.linalg.norm(weight[trained], axis=1))
    head[~trained] = 0
    bias = np.where(trained, np.float32(0), NEVER)
    count = int(there.sum())
    return Fitted(Linear(head.astype(np.float32), bias), f"{count:,} target rows that the model is surest of")


def classes(old: Old, reference: Labelled, target: Seen) -> Fitted:
    """The score of each class is given to rows moved by what separates the rows predicted as it in the two sets.

    The offset of a class is drawn to that of all rows, as if 20 of its rows had moved so.
    """
    rule = old.rule
    weight = rule.weight.astype(np.float64)
    common = reference.seen.moments.mean - target.moments.mean
    both = np.minimum(reference.seen.guessed.count, target.guessed.count)
    share = (both / (both + PRIOR_ROWS))[:, None]
    own = reference.seen.guessed.mean - target.guessed.mean
    offset = common + share * (own - common)
    bias = rule.bias + (weight * offset).sum(axis=1)
    bias[rule.bias <= NEVER] = NEVER
    moved = int((both > 0).sum())
    return Fitted(
        Linear(rule.weight, bias.astype(np.float32)),
        f"{counted(moved, 'class', 'classes')} moved by the rows predicted as them",
    )

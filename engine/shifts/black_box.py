"""How many times as frequent classes have become, solved from what a classifier predicts (BBSE).

References
----------
Lipton, Wang and Smola (2018), "Detecting and correcting for label shift with black box predictors". Azizzadenesheli et
al. (2019), "Regularized learning for domain adaptation under label shifts".
"""

from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError

Array = np.ndarray
# Beyond this condition number of P(predicted | true), directions that the classifier cannot see are shrunk.
WORST_CONDITION = 100.0


class Blackbox(NamedTuple):
    """The solution of ``C w = mu`` and what its errors are made from.

    Attributes
    ----------
    weight : (k,)
        As solved; may be negative by chance. 1 for classes without source rows.
    inverse : (k, k)
        Change of `weight` for a change of ``mu - C w``.
    condition
        Condition number of P(predicted | true).
    """

    weight: Array
    inverse: Array
    condition: float

    @property
    def regularised(self) -> bool:
        """Whether directions that the classifier cannot see were shrunk towards no shift."""
        return self.condition > WORST_CONDITION


def solved(confusion: Array, predicted_target: Array) -> Blackbox:
    """``C w = mu`` from counts ``confusion : (k, k)`` [true, predicted] of the source and ``predicted_target : (k,)``.

    Well conditioned systems are solved as they stand. Otherwise singular values below a hundredth of the largest are
    damped (Tikhonov), which pulls towards no shift.

    Raises
    ------
    InputError
        There are no labelled source rows or no target rows.
    """
    confusion, predicted = np.asarray(confusion, np.float64), np.asarray(predicted_target, np.float64)
    if not (confusion.sum() > 0 and predicted.sum() > 0):
        raise InputError("label shift needs labelled rows of the source and predictions for the target; one has none")
    prior = confusion.sum(axis=1) / confusion.sum()
    present = prior > 0
    given = (confusion[present] / confusion[present].sum(axis=1, keepdims=True)).T
    left, sizes, right = np.linalg.svd(given, full_matrices=False)
    condition = float(sizes[0] / sizes[-1]) if sizes[-1] > 0 else np.inf
    damping = 0.0 if condition <= WORST_CONDITION else sizes[0] / WORST_CONDITION
    shares = (right.T * (sizes / (np.square(sizes) + damping**2))) @ left.T
    inverse = np.zeros_like(confusion)
    inverse[present] = shares / prior[present, None]
    weight = 1 + inverse @ (predicted / predicted.sum() - confusion.sum(axis=0) / confusion.sum())
    return Blackbox(weight, inverse, condition)


def possible(weight: Array, prior: Array) -> Array:
    """The weights without negative ones, such that the target's shares sum to 1; classes without source rows keep 1."""
    weight = np.where(prior > 0, np.maximum(weight, 0), 1.0)
    total = float(prior @ weight)
    return np.where(prior > 0, weight / total, 1.0) if total > 0 else np.ones_like(weight)

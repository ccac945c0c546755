"""One number for each training: its mean corruption error, relative to training on the original images.

References
----------
Hendrycks and Dietterich (2019), "Benchmarking neural network robustness to common corruptions and perturbations":
errors of a modification are summed over its severities and divided by those of a reference model; the relative error
takes that on the original images away first. There the reference is AlexNet, here the same network trained on the
original images, whose numbers are therefore 1.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gapscope.studies.crossed import Estimate, estimated
from gapscope.studies.modifications.predictions import TrainingPredictions

# The training on original images that are modified at random: it has seen every modification.
MIXED = "mixed"
NONE = Estimate(np.nan, np.nan, np.nan, np.nan)


class Ratio(NamedTuple):
    """A ratio of means and how far it moves with each answer, ``(n, s)``."""

    value: float
    influence: np.ndarray


def without_severity(test: str) -> str:
    """The modifications in the name of a test set.

    >>> without_severity("night:3+fog:2")
    'night+fog'
    """
    return "+".join(part.partition(":")[0] for part in test.split("+"))


def groups_of(tests: Sequence[str]) -> dict[str, list[int]]:
    """Positions of the modified test sets, which are all but the first, that differ in severity alone."""
    groups: dict[str, list[int]] = {}
    for place, test in enumerate(tests[1:], start=1):
        groups.setdefault(without_severity(test), []).append(place)
    return groups


def robustness_section(predictions: TrainingPredictions) -> dict[str, Any]:
    """Corruption errors ``(t, g)`` of g modifications, and estimates for each training.

    ``mce_unseen`` leaves out the modification that was trained on; None for a training that has seen them all.
    Modifications by which the original training loses nothing that can be shown are left out of the relative error.
    """
    groups = groups_of(predictions.tests)
    wrong = (~predictions.correct).astype(np.float32)
    modified = [wrong[:, places].mean(axis=1, dtype=np.float64) for places in groups.values()]
    lossy = [_loses(group[0] - wrong[0, 0]) for group in modified]
    of_all = [[_ratio(group[row], group[0]) for group in modified] for row in range(len(wrong))]
    harmful = [group for group, lost in zip(modified, lossy, strict=True) if lost]
    relative = [
        [_ratio(group[row] - wrong[row, 0], group[0] - wrong[0, 0]) for group in harmful] for row in range(len(wrong))
    ]
    unseen = [
        [ratio for name, ratio in zip(groups, ratios, strict=True) if _is_unseen(training, name)]
        for training, ratios in zip(predictions.trainings, of_all, strict=True)
    ]
    return {
        "modifications": list(groups),
        "ce": np.array([[one.value for one in ratios] for ratios in of_all]),
        "mce": [_mean(ratios) for ratios in of_all],
        "relative_mce": [_mean(ratios) for ratios in relative],
        "mce_unseen": [_mean(ratios) for ratios in unseen],
        "left_out": [name for name, lost in zip(groups, lossy, strict=True) if not lost],
    }


def _is_unseen(training: str, modification: str) -> bool:
    return training != MIXED and without_severity(training) != modification


def _loses(lost: np.ndarray) -> bool:
    return estimated(float(lost.mean()), lost).low > 0


def _ratio(part: np.ndarray, whole: np.ndarray) -> Ratio:
    """``mean(part) / mean(whole)`` for arrays ``(n, s)``, linearised."""
    if not whole.mean():
        return Ratio(np.nan, np.full(part.shape, np.nan))
    value = float(part.mean() / whole.mean())
    return Ratio(value, (part - value * whole) / whole.mean())


def _mean(ratios: Sequence[Ratio]) -> Estimate:
    """The mean of ratios, tested against 1; nothing where there is none."""
    if not ratios or not all(np.isfinite(one.value) for one in ratios):
        return NONE
    value = float(np.mean([one.value for one in ratios]))
    return estimated(value, sum(one.influence for one in ratios) / len(ratios), null=1.0)

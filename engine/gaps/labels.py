"""A set scored by labels that know better than its own.

A prediction is correct where it is among the valid classes. Images that a file gives no class at all are left out, as
ReaL does; images that it does not mention keep their label.
"""

from dataclasses import dataclass

import numpy as np

from gapscope.core.errors import InputError
from gapscope.predictions import Predictions
from gapscope.predictions.valid_labels import ValidLabels

# Share of a side's images that must be mentioned where all of the other side's are.
HALF, ALL = 0.5, 0.95


@dataclass(frozen=True, eq=False)
class Rescored:
    """The predictions of one set under better labels, ``(n,) bool`` each.

    Attributes
    ----------
    right
        Whether the prediction is correct.
    kept
        Whether the image counts: it has a label, and the file does not leave it without one.
    mentioned
        Whether the file speaks of it.
    """

    right: np.ndarray
    kept: np.ndarray
    mentioned: np.ndarray


def rescored(predictions: Predictions, labels: ValidLabels | None) -> Rescored:
    """The rows of `predictions` scored with `labels`, or as they are with None."""
    known = predictions.known
    if labels is None:
        return Rescored(predictions.right, known, np.zeros(predictions.n, bool))
    size, member, mentioned = labels.member(predictions)
    some = size > 0
    return Rescored(
        np.where(some, member[:, 0], predictions.right & ~mentioned), known & (some | ~mentioned), mentioned
    )


def check_both_sides(sides: tuple[Predictions, Predictions], mentioned: tuple[np.ndarray, np.ndarray]) -> None:
    """Refuse better labels that speak of one side alone: they would move the accuracy of that side only.

    Raises
    ------
    InputError
        A side has none of its images mentioned, or less than half where nearly all of the other's are.
    """
    shares = [float(one.mean()) if len(one) else 0.0 for one in mentioned]
    low, high = sorted((0, 1), key=lambda side: shares[side])
    if shares[high] > 0 and (shares[low] == 0 or (shares[low] < HALF and shares[high] > ALL)):
        raise InputError(
            f"the better labels speak of {int(mentioned[high].sum()):,} of {sides[high].n:,} images of "
            f"{sides[high].name} and of {int(mentioned[low].sum()):,} of {sides[low].n:,} of {sides[low].name}: scored "
            "by other rules, the two sets have no common gap; give labels for both with --labels (one file each), or "
            "for neither"
        )

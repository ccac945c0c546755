"""Which confusions, class i predicted as class j, make up an accuracy gap."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.gaps.difference import fisher
from gapscope.gaps.mix import differing_classes
from gapscope.inference import adjusted
from gapscope.inference.difference import newcombe
from gapscope.predictions import Predictions

TOP = 50


@dataclass(frozen=True, eq=False)
class ConfusionPairs:
    """The pairs that moved most, those that cost most first; columns are ``(p,)``.

    Attributes
    ----------
    label, predicted
        Class indices, never the same.
    reference_count, target_count
        Rows of class `label` that are given class `predicted`.
    points
        Share of all target rows in this pair, minus that of the reference rows: what the pair adds to the gap.
    low, high
        95 % interval of `points` (Newcombe).
    p, adjusted_p
        Fisher's exact test (mid-p) of the pair's rate among the rows of class `label`, which the class mix does not
        touch; Benjamini-Hochberg over all pairs that occur.
    flagged
        Whether the adjusted p-value is at most 5 %.
    gap
        What the points of all pairs sum to, those not listed included.
    rest
        The sum of those not listed.
    occurring
        Number of pairs that occur in either set.
    same_mix
        Whether both sets have their classes in the same proportions; only then are `points` free of the class mix.
    """

    label: np.ndarray
    predicted: np.ndarray
    reference_count: np.ndarray
    target_count: np.ndarray
    points: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    adjusted_p: np.ndarray
    flagged: np.ndarray
    gap: float
    rest: float
    occurring: int
    same_mix: bool

    def table(self, class_names: tuple[str, ...]) -> pa.Table:
        """The columns as a table, classes by name."""
        names = np.array(class_names, object)
        columns = {"label": names[self.label], "predicted": names[self.predicted]}
        return pa.table(columns | {name: getattr(self, name) for name in COLUMNS})


COLUMNS = ("reference_count", "target_count", "points", "low", "high", "p", "adjusted_p", "flagged")


def confusion_pairs(
    reference: Predictions, target: Predictions, top: int | None = TOP, level: float = 0.05
) -> ConfusionPairs:
    """The `top` pairs by size of their points (all when None), of the labelled rows.

    ``gap = sum over i != j of (C^target_ij / m - C^reference_ij / n)``, exactly.

    Raises
    ------
    InputError
        The two sets have different classes.
    """
    if reference.class_names != target.class_names:
        raise InputError(differing_classes(reference, target))
    classes = len(reference.class_names)
    sides = [side.labelled() for side in (reference, target)]
    (n, m), rows = (side.n for side in sides), [side.counts()[1] for side in sides]
    pair, counts = _counted(sides, classes)
    label, predicted = pair // classes, pair % classes
    points = counts[1] / max(m, 1) - counts[0] / max(n, 1)
    low, high = newcombe((counts[1], counts[0]), (np.full(len(pair), m), np.full(len(pair), n)))
    p = fisher(counts[0], counts[1], rows[0][label], rows[1][label])
    corrected = adjusted(p)
    order = np.argsort(-np.abs(points), kind="stable")[:top]
    order = order[np.argsort(-points[order], kind="stable")]
    shown = [one[order] for one in (label, predicted, *counts, points, low, high, p, corrected, corrected <= level)]
    rest = float(np.delete(points, order).sum())
    same = bool((rows[0] * m == rows[1] * n).all())
    return ConfusionPairs(*shown, float(points.sum()), rest, len(pair), same)


def _counted(sides: list[Predictions], classes: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The wrong pairs that occur, as ``label * classes + predicted``, and how often in each set."""
    wrong = [_wrong(side, classes) for side in sides]
    pair, place = np.unique(np.concatenate(wrong), return_inverse=True)
    split = len(wrong[0])
    first, second = (np.bincount(one, minlength=len(pair)) for one in (place[:split], place[split:]))
    return pair, (first, second)


def _wrong(side: Predictions, classes: int) -> np.ndarray:
    wrong = ~side.right
    return side.label[wrong].astype(np.int64) * classes + side.predicted[wrong]

"""Accuracy, precision, recall and F1 of one training, each with how far it moves with every prediction.

A class's numbers are ratios of sums over images, and a macro mean is a mean of them, so their errors follow from the
linearisation of the ratio; images and seeds are both taken as samples, as in `gapscope.studies.crossed`.
"""

from collections.abc import Mapping

import numpy as np

from gapscope.studies.classes import Part

PER_CLASS = {"precision": "precision", "recall": "recall", "f1": "F1"}
MEASURES = {
    "accuracy": "accuracy",
    **{f"macro_{name}": f"macro {word}" for name, word in PER_CLASS.items()},
    **{f"weighted_{name}": f"weighted {word}" for name, word in PER_CLASS.items()},
    "rare_recall": "recall, rare classes",
    "common_recall": "recall, common classes",
}  # fmt: skip


def ratio(above: np.ndarray, below: np.ndarray) -> Part:
    """``sum(above) / sum(below)`` over images, the mean over seeds, of ``(n, s)`` each; 0 where nothing is below.

    One image moves it by ``(above_i - ratio below_i) n / sum(below)``.
    """
    total = below.sum(axis=0)
    value = np.divide(above.sum(axis=0), total, out=np.zeros(len(total)), where=total > 0)
    mean = float(value.mean())
    return Part(mean, value - mean + (above - value * below) * len(above) / np.maximum(total, 1))


def of_class(label: np.ndarray, predicted: np.ndarray, index: int) -> dict[str, Part]:
    """Precision, recall and F1 of a class from ``label : (n,)`` and ``predicted : (n, s)``."""
    named = (predicted == index).astype(np.float64)
    own = np.repeat((label == index).astype(np.float64)[:, None], named.shape[1], axis=1)
    right = named * own
    return {"precision": ratio(right, named), "recall": ratio(right, own), "f1": ratio(2 * right, named + own)}


def measures(label: np.ndarray, predicted: np.ndarray, rare: np.ndarray) -> tuple[dict[str, Part], dict[int, Part]]:
    """Each of `MEASURES`, and the recall of each class that has images.

    Weighted means take the classes' shares of the images as they are.

    Parameters
    ----------
    rare : (k,) bool
        The classes with few training images; where none is, the measures of rare and common classes are NaN.
    """
    counts = np.bincount(label, minlength=len(rare))
    there = np.flatnonzero(counts)
    by_class = {index: of_class(label, predicted, index) for index in there.tolist()}
    right = (predicted == label[:, None]).astype(np.float64)
    measured = {"accuracy": Part(float(right.mean()), right)}
    for name in PER_CLASS:
        parts = {index: one[name] for index, one in by_class.items()}
        measured[f"macro_{name}"] = _mean(parts, dict.fromkeys(parts, 1.0), right)
        measured[f"weighted_{name}"] = _mean(parts, {index: float(counts[index]) for index in parts}, right)
    recalls = {index: one["recall"] for index, one in by_class.items()}
    for name, group in (("rare_recall", rare), ("common_recall", ~rare)):
        chosen = {index: 1.0 for index in recalls if group[index] and rare.any()}
        measured[name] = _mean(recalls, chosen, right)
    return {name: measured[name] for name in MEASURES}, recalls


def _mean(parts: Mapping[int, Part], weights: Mapping[int, float], like: np.ndarray) -> Part:
    total = sum(weights.values())
    if not total:
        return Part(np.nan, np.full_like(like, np.nan))
    value = sum(weight * parts[index].value for index, weight in weights.items()) / total
    return Part(value, sum(weight * parts[index].influence for index, weight in weights.items()) / total)

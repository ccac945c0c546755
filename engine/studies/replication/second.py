"""What models say after their first guess, as evidence on images with more than one right name."""

from typing import Any

import numpy as np

from gapscope.inference.interval import clopper_pearson
from gapscope.studies.replication.predictions import SetPredictions


def second_section(reference: SetPredictions, target: SetPredictions) -> dict[str, Any] | None:
    """Drop of the first guess and of the list, and how often the label is on the list when the first guess is wrong.

    None where models give one class only.
    """
    depth = min(reference.top.shape[2], target.top.shape[2])
    if depth < 2:
        return None
    sides = [_side(one) for one in (reference, target)]
    return {
        "depth": depth,
        "first_drop": sides[0]["first"] - sides[1]["first"],
        "list_drop": sides[0]["list"] - sides[1]["list"],
        "reference": sides[0],
        "target": sides[1],
    }


def _side(predictions: SetPredictions) -> dict[str, Any]:
    wrong = ~predictions.correct
    rescued = predictions.in_top & wrong
    bounds = [clopper_pearson(int(a), int(b)) for a, b in zip(rescued.sum(axis=0), wrong.sum(axis=0), strict=True)]
    second = (predictions.top[:, :, 1] == predictions.label[:, None]) & wrong
    missed = np.maximum(wrong.sum(axis=0), 1)
    return {
        "first": predictions.accuracy,
        "list": predictions.in_top.mean(axis=0),
        "rescued": rescued.sum(axis=0) / missed,
        "rescued_low": np.array([low for low, _ in bounds]),
        "rescued_high": np.array([high for _, high in bounds]),
        "second": second.sum(axis=0) / missed,
        "listed_by_one": float(predictions.in_top.any(axis=1).mean()),
    }

"""How often models agree, and whether their agreement predicts accuracy without labels."""

from typing import Any

import numpy as np

from gapscope.forecasts.agreement import agreement_on_the_line
from gapscope.inference.line import ProbitLine
from gapscope.studies.replication.predictions import SetPredictions

UNCHANGED, LABEL_FREE, OTHERS = "no change", "agreement on the line, no labels", "line of the others, with their labels"


def agreement_section(reference: SetPredictions, target: SetPredictions) -> dict[str, Any]:
    """The line of agreements beside that of accuracies, and forecasts of each model's accuracy on the target."""
    agreement = agreement_on_the_line(reference.predicted.T, target.predicted.T, reference.label, leave_one_out=True)
    by_accuracy = ProbitLine.fit(reference.accuracy, target.accuracy)
    forecasts = {
        UNCHANGED: reference.accuracy.copy(),
        LABEL_FREE: agreement.estimates,
        OTHERS: _on_the_line_of_others(reference.accuracy, target.accuracy),
    }
    errors = {name: np.abs(value - target.accuracy) for name, value in forecasts.items()}
    pairs = np.triu_indices(len(target.models), 1)
    return {
        "reference": agreement.agreement_reference,
        "target": agreement.agreement_target,
        "mean_reference": float(agreement.agreement_reference[pairs].mean()),
        "mean_target": float(agreement.agreement_target[pairs].mean()),
        "slope": agreement.slope,
        "intercept": agreement.intercept,
        "r": agreement.r,
        "accuracy_slope": by_accuracy.slope,
        "accuracy_intercept": by_accuracy.intercept,
        "truth": target.accuracy,
        "label_free": LABEL_FREE,
        "forecasts": forecasts,
        "mean_error": {name: float(error.mean()) for name, error in errors.items()},
        "largest_error": {name: float(error.max()) for name, error in errors.items()},
    }


def _on_the_line_of_others(reference: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Each model's target accuracy by the line through the other models' accuracies."""
    models = np.arange(len(reference))
    lines = [ProbitLine.fit(reference[models != one], target[models != one]) for one in models]
    return np.array([float(line.expected(share)) for line, share in zip(lines, reference, strict=True)])

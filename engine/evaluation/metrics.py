"""Metrics as scikit-learn defines and names them, from counts alone."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gapscope.core.errors import InputError
from gapscope.evaluation import agreement, calibration, ranking, selective
from gapscope.inference.interval import clopper_pearson
from gapscope.schemas.predictions import TOP
from gapscope.schemas.results import Result
from gapscope.summaries.calibration import Calibration
from gapscope.summaries.outcomes import Outcomes
from gapscope.summaries.scores import ClassScores


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, 0 where the whole is 0, as scikit-learn's ``zero_division=0``."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def precision(confusion: np.ndarray) -> np.ndarray:
    """Share of the rows given each class that are of it, ``(k,)``."""
    return _share(np.diag(confusion), confusion.sum(axis=0))


def recall(confusion: np.ndarray) -> np.ndarray:
    """Share of the rows of each class that are given it, ``(k,)``."""
    return _share(np.diag(confusion), confusion.sum(axis=1))


def f1(confusion: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall of each class, ``(k,)``."""
    return _share(2 * np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1))


PER_CLASS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"precision": precision, "recall": recall, "f1": f1}


def accuracy(outcomes: Outcomes) -> float:
    """Share of rows that are given their class."""
    return outcomes.right / outcomes.n


def top5_accuracy(outcomes: Outcomes) -> float:
    """Share of rows whose class is among the five with the highest scores."""
    return outcomes.in_top / outcomes.n


def log_loss(outcomes: Outcomes) -> float:
    """Mean of minus the log-likelihood of the label, in nats."""
    return outcomes.log_loss / outcomes.n


def macro(per_class: Callable[[np.ndarray], np.ndarray]) -> Callable[[Outcomes], float]:
    """The plain mean of a metric over the classes that occur among labels or predictions."""

    def mean(outcomes: Outcomes) -> float:
        occurs = outcomes.confusion.sum(axis=0) + outcomes.confusion.sum(axis=1) > 0
        return float(per_class(outcomes.confusion)[occurs].mean())

    return mean


def weighted(per_class: Callable[[np.ndarray], np.ndarray]) -> Callable[[Outcomes], float]:
    """The mean of a metric over classes, each weighted with its number of rows."""

    def mean(outcomes: Outcomes) -> float:
        return float(np.average(per_class(outcomes.confusion), weights=outcomes.confusion.sum(axis=1)))

    return mean


def _of_confusion(metric: Callable[[np.ndarray], float]) -> Callable[[Outcomes], float]:
    return lambda outcomes: metric(outcomes.confusion)


def _of_confidence(metric: Callable[[Calibration], float]) -> Callable[[Outcomes], float]:
    """NaN where there are no probabilities."""
    return lambda outcomes: float("nan") if outcomes.calibration is None else metric(outcomes.calibration)


def _of_scores(metric: Callable[[ClassScores], float]) -> Callable[[Outcomes], float]:
    """NaN where not all probabilities were there."""
    return lambda outcomes: float("nan") if outcomes.scores is None else metric(outcomes.scores)


def _of_ranks(metric: Callable[[ClassScores], ranking.Bounded]) -> Callable[[Outcomes], float]:
    """The mean over classes; NaN where rows were not ranked."""
    return _of_scores(lambda scores: metric(scores).macro() if len(scores.positive) else float("nan"))


METRICS: Mapping[str, Callable[[Outcomes], float]] = {
    "accuracy": accuracy,
    "top5_accuracy": top5_accuracy,
    "balanced_accuracy": _of_confusion(agreement.balanced_accuracy),
    "log_loss": log_loss,
    **{f"macro_{name}": macro(metric) for name, metric in PER_CLASS.items()},
    **{f"weighted_{name}": weighted(metric) for name, metric in PER_CLASS.items()},
    "mcc": _of_confusion(agreement.mcc),
    "cohen_kappa": _of_confusion(agreement.cohen_kappa),
    "ece": _of_confidence(calibration.ece),
    "adaptive_ece": _of_confidence(calibration.adaptive_ece),
    "classwise_ece": _of_scores(calibration.classwise_ece),
    "brier": _of_scores(calibration.brier),
    "aurc": _of_confidence(selective.aurc),
    "augrc": _of_confidence(selective.augrc),
    "macro_auroc": _of_ranks(ranking.auroc),
    "macro_average_precision": _of_ranks(ranking.average_precision),
}
COUNTED: Mapping[str, Callable[[Outcomes], int]] = {
    "accuracy": lambda outcomes: outcomes.right,
    "top5_accuracy": lambda outcomes: outcomes.in_top,
}


def measure(outcomes: Outcomes, dataset: str, split: str, model: str, class_names: Sequence[str]) -> list[Result]:
    """All metrics of one model on one split: the headline rows first, then three per class that occurs.

    Accuracies and recalls are shares of independent rows and carry Clopper-Pearson intervals. Top-5 accuracy is left
    out where five classes are all there are; log loss where the model gives no likelihoods.
    """
    if outcomes.n == 0:
        raise InputError(f"{dataset}/{split} has no labelled row to evaluate {model} on; extract it with its labels")
    place = {"dataset": dataset, "split": split, "model": model}
    return [*_headline(outcomes, place), *_by_class(outcomes, place, class_names)]


def _headline(outcomes: Outcomes, place: dict[str, str]) -> list[Result]:
    results = []
    for name, metric in METRICS.items():
        value = metric(outcomes)
        if np.isnan(value) or (name == "top5_accuracy" and len(outcomes.confusion) <= TOP):
            continue
        low, high = clopper_pearson(COUNTED[name](outcomes), outcomes.n) if name in COUNTED else (None, None)
        results.append(Result(**place, metric=name, value=value, low=low, high=high, n=outcomes.n))
    return results


def _by_class(outcomes: Outcomes, place: dict[str, str], class_names: Sequence[str]) -> list[Result]:
    confusion = outcomes.confusion
    values = {name: metric(confusion) for name, metric in PER_CLASS.items()}
    given, true = confusion.sum(axis=0), confusion.sum(axis=1)
    results = []
    for index in np.flatnonzero(given + true):
        right, rows = int(confusion[index, index]), {"precision": int(given[index]), "recall": int(true[index])}
        for name, value in values.items():
            n = rows.get(name, int(true[index]))
            low, high = clopper_pearson(right, n) if name in rows else (None, None)
            results.append(
                Result(
                    **place,
                    metric=name,
                    class_name=class_names[index],
                    value=float(value[index]),
                    low=low,
                    high=high,
                    n=n,
                )
            )
    return results

"""Counts and intervals of predictions that lie in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
from scipy.special import logsumexp

from gapscope.evaluation import ranking, selective
from gapscope.evaluation.metrics import METRICS
from gapscope.inference.bootstrap import GRAIN, REPLICATES, interval_of, replicate_weights
from gapscope.predictions import Predictions
from gapscope.summaries.outcomes import Outcomes
from gapscope.summaries.scores import ClassScores

ROWS = 4096
# Shares of rows that are right have exact intervals; these are ratios of sums or of counts, and are resampled.
RESAMPLED = ("balanced_accuracy", "log_loss", "macro_f1", "mcc", "cohen_kappa", "ece", "adaptive_ece", "aurc", "augrc")
BIASED = ("ece", "adaptive_ece")
SELECTED: Mapping[str, Callable[[Outcomes], float]] = {
    **{
        f"accuracy_at_coverage_{coverage}": lambda found, at=coverage: selective.accuracy_at(found.calibration, at)
        for coverage in selective.COVERAGES
    },
    **{
        f"coverage_at_risk_{risk}": lambda found, at=risk: selective.coverage_at(found.calibration, at)
        for risk in selective.RISKS
    },
}


def counted(predictions: Predictions, weight: np.ndarray | None = None) -> Outcomes:
    """The counts of all rows, each taken ``weight : (n,)`` times; what needs all scores only where these are there and
    all rows weigh the same.
    """
    scores = _class_scores(predictions) if predictions.scores is not None and weight is None else None
    return Outcomes.of(
        predictions.label,
        predictions.top,
        predictions.log_likelihood,
        len(predictions.class_names),
        predictions.confidence,
        scores,
        weight,
    )


def _class_scores(predictions: Predictions) -> ClassScores:
    """In blocks of rows, so that no second table of scores is made; NaN nowhere, as scores were checked on reading."""
    blocks = range(0, max(predictions.n, 1), ROWS)
    return reduce(ClassScores.merge, (_block_scores(predictions, start) for start in blocks))


def _block_scores(predictions: Predictions, start: int) -> ClassScores:
    scores = np.asarray(predictions.scores[start : start + ROWS], np.float64)
    return ClassScores.of(scores - logsumexp(scores, axis=1, keepdims=True), predictions.label[start : start + ROWS])


def selected(result: Outcomes) -> dict[str, float]:
    """Accuracy at some coverages and coverage at some error rates; empty without probabilities."""
    return {} if result.calibration is None else {name: metric(result) for name, metric in SELECTED.items()}


def intervals(
    predictions: Predictions, *, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % intervals of the metrics of `RESAMPLED` that these predictions have, by the keyed Poisson bootstrap.

    Percentiles of the replicates; those of calibration errors are moved by the distance of their median from the
    metric, as a resampled one is larger than the one it estimates: noise adds to an absolute value.

    The same for any order of rows, to the last bit. Replicates are counted one after another, and only their metrics
    are kept.
    """
    known = predictions.labelled()
    known = replace(known, confidence=_grained(known.confidence), log_likelihood=_grained(known.log_likelihood))
    known = replace(known, scores=None)
    whole = counted(known)
    values = {name: METRICS[name](whole) for name in RESAMPLED}
    names = [name for name, value in values.items() if not np.isnan(value)]
    drawn = np.array(list(_resampled(known, names, seed, replicates))).reshape(-1, len(names))
    return {name: _interval(name, drawn[:, column], values[name]) for column, name in enumerate(names)}


def _resampled(known: Predictions, names: Sequence[str], seed: int, replicates: int) -> Iterator[list[float]]:
    """The metrics of each replicate that has rows."""
    for replicate in range(replicates):
        weight = replicate_weights(seed, replicate, known.sample_id)
        if weight.any():
            one = counted(known, weight.astype(np.float64))
            yield [METRICS[name](one) for name in names]


def _interval(name: str, replicates: np.ndarray, value: float) -> tuple[float, float]:
    low, high = interval_of(replicates)
    shift = value - float(np.nanmedian(replicates)) if name in BIASED else 0.0
    return max(low + shift, 0.0) if name in BIASED else low, high + shift


def _grained(column: np.ndarray | None) -> np.ndarray | None:
    """Rounded to multiples of 2^-24, whose sums are exact in float64 and so the same in any order."""
    return None if column is None else np.rint(np.asarray(column, np.float64) / GRAIN) * GRAIN


def ranking_errors(result: Outcomes) -> dict[str, float]:
    """What bounds the error of the macro means that come from histograms; empty where rows were not ranked."""
    if result.scores is None or not len(result.scores.positive):
        return {}
    bounds = {
        "macro_auroc_error": ranking.auroc(result.scores).macro_error(),
        "macro_average_precision_error": ranking.average_precision(result.scores).macro_error(),
    }
    return {name: value for name, value in bounds.items() if not np.isnan(value)}

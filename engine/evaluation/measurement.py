"""All that predictions in memory allow to be measured, with intervals, and what has to be known to read it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.data.label_order import check_label_order
from gapscope.evaluation.calibration import reliability
from gapscope.evaluation.metrics import measure
from gapscope.evaluation.multilabel import multi_label
from gapscope.evaluation.tabled import counted, intervals, ranking_errors, selected
from gapscope.inference.interval import clopper_pearson
from gapscope.predictions import Predictions
from gapscope.predictions.valid_labels import ValidLabels
from gapscope.probes.training import best_temperature
from gapscope.schemas.predictions import TOP
from gapscope.schemas.results import Result
from gapscope.summaries.outcomes import Outcomes
from gapscope.summaries.scores import ClassScores

# Share of rows below which answers of a class without labels are odd ones.
RARE = 0.01
# Scores that a temperature is taken from; two thousand rows of a thousand classes tell it to a few per cent.
SCORES = 2 * 10**6
RELIABILITY = pa.schema(
    [
        *((name, pa.string()) for name in ("model", "dataset", "split")),
        *((name, pa.float64()) for name in ("low", "high")),
        ("n", pa.int64()),
        *((name, pa.float64()) for name in ("confidence", "accuracy")),
    ]
)


def measure_predictions(predictions: Predictions, counts: Outcomes, *, replicates: int, seed: int = 0) -> list[Result]:
    """All metrics of `counts`, which are those of `predictions`, with their intervals."""
    results = measure(counts, predictions.dataset, predictions.split, predictions.model, predictions.class_names)
    results = named_by_depth(results, predictions.top.shape[1])
    bounds = intervals(predictions, replicates=replicates, seed=seed)
    more = {**_temperature(predictions), **selected(counts), **ranking_errors(counts)}
    return [
        *(_bounded(result, bounds) for result in results),
        *(_result(predictions, name, value, counts.n) for name, value in more.items()),
    ]


def _temperature(predictions: Predictions) -> dict[str, float]:
    """What the scores would have to be divided by for the least log loss on this set; nothing without all scores."""
    known = predictions.labelled()
    if known.scores is None or known.n < 2:
        return {}
    rows = slice(0, max(1, SCORES // known.scores.shape[1]))
    factor = best_temperature(np.asarray(known.scores[rows], np.float32), known.label[rows])
    return {"best_temperature": 1 / factor} if np.isfinite(factor) and factor > 0 else {}


def named_by_depth(results: Sequence[Result], depth: int) -> list[Result]:
    """The results without the accuracy among the best classes where only one of each row is known; named by their
    number, `depth`.
    """
    top = "top5_accuracy"
    named = top if depth >= TOP else f"top{depth}_accuracy"
    renamed = [one.model_copy(update={"metric": named}) if one.metric == top else one for one in results]
    return [one for one in renamed if one.metric != "top1_accuracy"]


def counts_of(predictions: Predictions, scores: ClassScores | None = None) -> Outcomes:
    """The counts of all rows; with `scores`, what was counted of all probabilities when they were predicted."""
    counts = counted(predictions)
    return counts if scores is None else counts._replace(scores=scores if counts.calibration else None)


def _bounded(result: Result, bounds: dict[str, tuple[float, float]]) -> Result:
    if result.class_name is not None or result.low is not None or result.metric not in bounds:
        return result
    low, high = bounds[result.metric]
    return result.model_copy(update={"low": low, "high": high})


def _result(predictions: Predictions, metric: str, value: float, n: int, **interval: float) -> Result:
    place = {"dataset": predictions.dataset, "split": predictions.split, "model": predictions.model}
    return Result(**place, metric=metric, value=value, n=n, **interval)


def measure_label_sets(predictions: Predictions, labels: ValidLabels) -> list[Result]:
    """What the predictions are worth where an image has several valid classes."""
    score = multi_label(predictions, labels)
    shares = {"": score.all, "_one_label": score.one, "_several_labels": score.several}
    rows = []
    for ending, share in shares.items():
        if share.n:
            low, high = clopper_pearson(share.right, share.n)
            rows.append(_result(predictions, f"real_accuracy{ending}", share.value, share.n, low=low, high=high))
    if score.ranked:
        rows.append(_result(predictions, "variable_top_k_accuracy", score.variable_top_k, score.ranked))
        rows.append(_result(predictions, "asma", score.asma, score.ranked))
    return rows


def reliability_rows(predictions: Predictions, counts: Outcomes) -> list[dict[str, Any]]:
    """The rows of the table of reliability, in the fields of `RELIABILITY`; none without probabilities."""
    place = {"model": predictions.model, "dataset": predictions.dataset, "split": predictions.split}
    bars = reliability(counts.calibration) if counts.calibration else ()
    return [{**place, **bar._asdict()} for bar in bars]


def _never_true(predictions: Predictions) -> list[str]:
    """The class that a few rows are predicted as and no row has, where all others occur: it may be a mistake."""
    images = predictions.counts()[1]
    given = np.bincount(predictions.predicted, minlength=len(images))
    odd = np.flatnonzero((images == 0) & (given > 0))
    if len(odd) != 1 or (images > 0).sum() != len(images) - 1 or given[odd[0]] >= RARE * predictions.n:
        return []
    row = int(np.argmax(predictions.predicted == odd[0]))
    return [
        f"{predictions.model} on {predictions.name}: {predictions.class_names[odd[0]]!r} is predicted "
        f"{int(given[odd[0]])} times, first in row {row}, and is the label of no image: it may be a mistake."
    ]


def notes_of(predictions: Predictions, results: Sequence[Result], counts: Outcomes) -> list[str]:
    """What has to be known to read the numbers."""
    model, name = predictions.model, predictions.name
    values = {result.metric: result.value for result in results if result.class_name is None}
    order = check_label_order(counts.confusion)
    notes = [f"warning: {model} on {name}: {order.sentence}"] if order else []
    notes += _never_true(predictions)
    if counts.unlabelled:
        notes.append(f"{name}: {counts.unlabelled:,} rows have no label and were not measured.")
    if counts.calibration is None:
        notes.append(f"{model} gives no probabilities, so calibration and selective prediction were not measured.")
    elif counts.scores is None:
        notes.append(
            f"{model}: the probabilities of all classes are not known, so Brier score, class-wise calibration, AUROC "
            "and average precision were not measured."
        )
    if "macro_auroc_error" in values:
        auroc, precision = (values[f"macro_{metric}_error"] for metric in ("auroc", "average_precision"))
        notes.append(
            f"{model} on {name}: AUROC comes from histograms and is within {auroc:.1g} of its exact value, average "
            f"precision within {precision:.1g}."
        )
    return notes

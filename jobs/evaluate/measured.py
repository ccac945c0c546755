"""The metrics of one model on one set, with their intervals, and the bars of its reliability."""

from typing import TYPE_CHECKING

import pyarrow as pa
from gapscope.core.location import Location
from gapscope.inference.interval import clopper_pearson
from gapscope.jobs.evaluate.config import EvaluateConfig
from gapscope.predictions import Predictions
from gapscope.predictions.run import predictions_of_run
from gapscope.schemas.results import Result

if TYPE_CHECKING:  # these load much of SciPy, and `--help` has to be instant
    from gapscope.evaluation.multilabel import LabelSets
    from gapscope.summaries.outcomes import Outcomes

BARS = pa.schema(
    [
        *((name, pa.string()) for name in ("model", "dataset", "split")),
        *((name, pa.float64()) for name in ("low", "high")),
        ("n", pa.int64()),
        *((name, pa.float64()) for name in ("confidence", "accuracy")),
    ]
)


def measured(config: EvaluateConfig, found: Predictions, *, whole: bool) -> "tuple[list[Result], Outcomes]":
    """All metrics with intervals, and the counts they come from; a run has counted the scores of `whole` sets only."""
    from gapscope.evaluation import measure
    from gapscope.evaluation.predict import scores_left
    from gapscope.evaluation.tabled import counted, intervals, ranking_errors, selected

    counts = counted(found)
    if config.run and whole:
        place = predictions_of_run(Location.of(config.run), config.model, config.dataset, config.split).place
        counts = counts._replace(scores=scores_left(place) if counts.calibration else None)
    results = measure(counts, found.dataset, found.split, found.model, found.class_names)
    bounds = intervals(found, replicates=config.replicates, seed=config.seed)
    results = [_bounded(result, bounds) for result in results]
    more = {**selected(counts), **ranking_errors(counts)}
    return [*results, *(_result(found, name, value, counts.n) for name, value in more.items())], counts


def _bounded(result: Result, bounds: dict[str, tuple[float, float]]) -> Result:
    if result.class_name is not None or result.low is not None or result.metric not in bounds:
        return result
    low, high = bounds[result.metric]
    return result.model_copy(update={"low": low, "high": high})


def _result(found: Predictions, metric: str, value: float, n: int, **interval: float) -> Result:
    place = {"dataset": found.dataset, "split": found.split, "model": found.model}
    return Result(**place, metric=metric, value=value, n=n, **interval)


def multi_label_results(found: Predictions, sets: "LabelSets") -> list[Result]:
    """What the answers are worth where an image has several right classes."""
    from gapscope.evaluation.multilabel import multi_label

    score = multi_label(found, sets)
    low, high = clopper_pearson(score.right, score.n)
    rows = [_result(found, "real_accuracy", score.real, score.n, low=low, high=high)]
    if score.ranked:
        rows.append(_result(found, "variable_top_k_accuracy", score.variable_top_k, score.ranked))
        rows.append(_result(found, "asma", score.asma, score.ranked))
    return rows


def bars_of(found: Predictions, counts: "Outcomes") -> list[dict]:
    """The rows of the table of reliability, in the fields of `BARS`; none without probabilities."""
    from gapscope.evaluation.calibration import reliability

    place = {"model": found.model, "dataset": found.dataset, "split": found.split}
    return [{**place, **bar._asdict()} for bar in (reliability(counts.calibration) if counts.calibration else ())]

"""`verify-labels`: what share of a set's labels is wrong, from a review of about 200 images."""

from dataclasses import field
from typing import TYPE_CHECKING, Any

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.options import ImageCount, Labels, Made, Memory, ModelName, Run, Target, configuration

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.predictions import Predictions
    from gapscope.runs.folder import RunFolder
    from gapscope.runs.result import RunResult
    from gapscope.schemas.results import Result

JOB = "verify-labels"


@configuration
class VerifyLabelsConfig(Made):
    """Say what share of a set's labels is wrong, and how many points of accuracy that costs.

    Without labels it draws images to review, more of those whose label the model contradicts, and writes them as CSV,
    Parquet and Label Studio JSON. With `--labels`, the reviewed ones, it says the share of wrong labels in the whole
    set with an interval, and the accuracy when labels are put right: the line of wrong labels in a breakdown.

    python cli.py verify-labels fit-incremental-cifar10-softmax --target night/test
    python cli.py verify-labels fit-incremental-cifar10-softmax --target night/test --labels queue.csv
    """

    run: Run = field(kw_only=False)
    target: Target
    model: ModelName = ""
    count: ImageCount = 200
    labels: Labels = ""
    memory: Memory = "2GB"


def run(config: VerifyLabelsConfig, progress: Progress = SILENT) -> "RunResult":
    """Draw the images, or estimate from those reviewed."""
    from gapscope.core.location import Location
    from gapscope.evaluation.copies import predicted_once
    from gapscope.repairs.review_page import page
    from gapscope.runs.folder import opened
    from gapscope.runs.inputs import input_of_predictions
    from gapscope.runs.run import find_run
    from gapscope.store.workspace import slug

    workspace = Location.of(config.workspace).absolute()
    place = find_run(workspace, config.run)
    (predictions,), copies = predicted_once([_predictions(config, place)])
    name = slug(config.name or f"{place.name}-{config.target}")
    with opened(workspace, JOB, name, config, [input_of_predictions(place, str(place))]) as made:
        results = _estimate(config, predictions, made) if config.labels else _draw(config, workspace, predictions, made)
        return made.finish(results, notes=copies, page=page)


def _predictions(config: VerifyLabelsConfig, place: "Location") -> "Predictions":
    """What the model has predicted for the rows that have a label.

    Raises
    ------
    InputError
        There are several models, or no row has a label.
    """
    from gapscope.predictions.memory import check_predictions
    from gapscope.predictions.of_run import OfRun

    predicted = OfRun.named(place, config.target, config.model, "--target")
    what = f"reading what {place.name} has predicted for {config.target}"
    check_predictions(what, [predicted.bytes], config.memory)
    result = predicted.read().labelled()
    if not result.n:
        raise InputError(f"{config.target} has no labels, so none can be wrong; `label-queue` lists images to label")
    return result


def _draw(
    config: VerifyLabelsConfig, workspace: "Location", predictions: "Predictions", made: "RunFolder"
) -> "list[Result]":
    from gapscope.core.files import write_json
    from gapscope.repairs.queue_files import write_review
    from gapscope.repairs.review import drawn, strata_of

    rows = predictions.rows(drawn(strata_of(predictions), config.count, config.seed))
    write_review(rows, workspace, made)
    write_json(made.place / "about.json", {"set": predictions.name, "model": predictions.model, "reviewed": 0})
    return []


def _estimate(config: VerifyLabelsConfig, predictions: "Predictions", made: "RunFolder") -> "list[Result]":
    import pyarrow as pa

    from gapscope.core.files import write_json
    from gapscope.repairs.labels import read_label_file
    from gapscope.repairs.review import NO_CLASS, review
    from gapscope.schemas.results import Result

    labels = read_label_file(config.labels, (*predictions.class_names, NO_CLASS))
    found = review(predictions, labels, config.count, config.seed)
    made.write_table("strata.parquet", pa.Table.from_pylist([one._asdict() for one in found.strata]))
    about: dict[str, Any] = {"set": predictions.name, "model": predictions.model, "images": predictions.n}
    about |= {"reviewed": sum(one.reviewed for one in found.strata), "left_out": found.left_out}
    about |= {"by_class": dict(zip(predictions.class_names, found.by_class.tolist(), strict=True))}
    about |= {"errors": found.errors._asdict(), "change": found.change._asdict(), "accuracy": predictions.accuracy()}
    write_json(made.place / "about.json", about)
    named = {"dataset": predictions.dataset, "split": predictions.split, "model": predictions.model}
    return [
        Result(**named, metric=metric, value=one.value, low=one.low, high=one.high, n=about["reviewed"])
        for metric, one in (("label_errors", found.errors), ("label_noise", found.change))
    ]

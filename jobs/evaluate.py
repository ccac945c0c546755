"""`evaluate`: what predictions are worth, from a run or from anybody's file."""

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.jobs import options
from gapscope.jobs.options import configuration

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult

JOB = "evaluate"


@configuration
class EvaluateConfig(options.Subset, options.Made):
    """Measure predictions, made here or elsewhere: accuracy, agreement, calibration, ranking, selective prediction.

    All models and sets of a run are measured, or one file. Everything that the predictions allow is measured:
    calibration needs probabilities of the best class, log loss that of the label, Brier score, AUROC and average
    precision those of all classes. About 4 s for 10,000 rows of 10 classes, 9 s for 50,000 of 1,000 without
    probabilities. The predictions of one set are held in memory at a time, about 450 bytes a row.

    python cli.py evaluate tune-cifar10-softmax
    python cli.py evaluate tune-cifar10-softmax --only ids.parquet
    python cli.py evaluate --predictions resnet50.csv
    python cli.py evaluate --predictions scores.npy --labels labels.txt
    python cli.py evaluate --predictions validation.parquet --model resnet50 --labels real.json
    """

    run: options.Run = field(default="", kw_only=False)
    predictions: options.PredictionFile = ""
    model: options.ModelName = ""
    dataset: options.DatasetName = ""
    split: options.Split = ""
    labels: options.Labels = ""
    replicates: options.Replicates = 200
    memory: options.Memory = "2GB"


def run(config: EvaluateConfig, progress: Progress = SILENT) -> "RunResult":
    """Measure, and write results and reliability."""
    import pyarrow as pa

    from gapscope.core.location import Location
    from gapscope.evaluation.copies import predicted_once
    from gapscope.evaluation.measurement import (
        RELIABILITY,
        counts_of,
        measure_label_sets,
        measure_predictions,
        notes_of,
        reliability_rows,
    )
    from gapscope.evaluation.page import page
    from gapscope.evaluation.predict import scores_left
    from gapscope.evaluation.stored import untrained
    from gapscope.evaluation.training_sets import seen_by_run
    from gapscope.predictions import is_array, read_predictions
    from gapscope.predictions.memory import check_predictions, predictions_bytes
    from gapscope.predictions.run import PREDICTIONS
    from gapscope.predictions.valid_labels import read_valid_labels
    from gapscope.runs.folder import opened
    from gapscope.runs.inputs import input_of_predictions, stem
    from gapscope.runs.run import find_run
    from gapscope.runs.selection import Chosen
    from gapscope.store.workspace import slug

    if bool(config.run) == bool(config.predictions):
        raise InputError("name either a run folder or a file with --predictions, not both and not neither")
    if config.replicates < 2:
        raise InputError(f"--replicates is {config.replicates}; an interval needs 2 or more, 200 are usual")
    workspace, array = Location.of(config.workspace).absolute(), is_array(Location.of(config.predictions))
    source = find_run(workspace, config.run) if config.run else Location.of(config.predictions)
    parts = list(_parts_of_run(config, source)) if config.run else [config]
    names = [(one.dataset or stem(source), one.split) for one in parts]
    for one in parts:
        stored = _stored(config, source, one)
        check_predictions(f"the predictions at {stored}", [predictions_bytes(stored)], config.memory)
    chosen = Chosen.by(config)
    chosen.choice.check(names)
    name = slug(config.name or "-".join(part for part in (stem(source), config.model) if part))
    folders = (source / PREDICTIONS).filled() if source.is_folder() else []
    inputs = [input_of_predictions(source, [str(source), *folders]), *chosen.inputs]
    with opened(workspace, JOB, name, config, inputs) as made:
        results, bars, notes = [], [], chosen.choice.notes(names)
        for one in parts:
            place = {"model": one.model, "dataset": one.dataset, "split": one.split}
            progress.say(f"reading {source}")
            stored = _stored(config, source, one)
            result, some = chosen.of_predictions(
                read_predictions(str(source), **place, labels=config.labels if array else "")
            )
            (result,), copies = predicted_once([result])
            said = [*some, *copies]
            progress.say(f"measuring {result.model} on {result.name}, {counted(result.n, 'row')}")
            with made.timed(f"evaluate {result.model} on {result.name}"):
                saved = stored if config.run and not said else None
                counts = counts_of(result, scores_left(saved) if saved else None)
                rows = measure_predictions(result, counts, replicates=config.replicates, seed=config.seed)
                if config.labels and not array:
                    rows += measure_label_sets(result, read_valid_labels(config.labels, result.class_names))
            results, bars = results + rows, bars + reliability_rows(result, counts)
            about = _description(config, source, one).get("details", {})
            strangers = untrained(about, result.class_names, result.name, counts)
            notes += [*said, *notes_of(result, rows, counts), *filter(None, [strangers])]
        if config.run:
            notes += seen_by_run(source, [one.model for one in parts], names, chosen.choice)
        made.write_table("reliability.parquet", pa.Table.from_pylist(bars, RELIABILITY))
        return made.finish(results, notes=notes, page=page)


def _stored(config: EvaluateConfig, source: "Location", part: EvaluateConfig) -> "Location":
    """Where the predictions of one model for one set lie."""
    from gapscope.predictions.run import predictions_of_run

    if not config.run:
        return source
    return predictions_of_run(source, model=part.model, dataset=part.dataset, split=part.split).place


def _description(config: EvaluateConfig, source: "Location", part: EvaluateConfig) -> "Mapping[str, Any]":
    """What is known of the model that predicted; nothing for a file of predictions."""
    from gapscope.predictions.run import predictions_of_run

    if not config.run:
        return {}
    return predictions_of_run(source, model=part.model, dataset=part.dataset, split=part.split).description


def _parts_of_run(config: EvaluateConfig, source: "Location") -> Iterator[EvaluateConfig]:
    """One configuration for each model and set of the run that is requested."""
    from gapscope.predictions.run import is_run, models_in_run, predictions_of_run, sets_in_run

    if not is_run(source):
        raise InputError(f"{source} is no run folder with predictions; name a file with --predictions instead")
    several = models_in_run(source)
    for model in [config.model] if config.model else several or [""]:
        sets = sets_in_run(source, model if several else "").values()
        if config.dataset:
            sets = [predictions_of_run(source, model, config.dataset, config.split)[2:4]]
        for dataset, split in sets:
            yield replace(config, model=model, dataset=dataset, split=split)

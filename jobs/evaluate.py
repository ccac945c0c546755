"""`evaluate`: what predictions are worth, from a run or from anybody's file."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from engine.core.errors import InputError
from engine.core.hashing import digest_file, digest_json
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.inference.interval import clopper_pearson
from engine.predictions import Predictions, read_predictions
from engine.predictions.run import PREDICTIONS, is_run, models_in_run, predictions_of_run, sets_in_run
from engine.store.workspace import slug
from jobs.folder import MANIFEST, opened
from jobs.report import Report, Table
from jobs.selection import Chosen
from schemas.results import Result
from schemas.run import Input

if TYPE_CHECKING:
    from engine.evaluate.multilabel import LabelSets
    from engine.summaries.outcomes import Outcomes

JOB = "evaluate"
RELIABILITY = "reliability.parquet"
SHOWN = ("accuracy", "mcc", "log_loss", "ece", "aurc")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Measure predictions, made here or elsewhere: accuracy, agreement, calibration, ranking, selective prediction.

    Everything that the predictions allow is measured: calibration needs probabilities of the best class, log loss that
    of the label, Brier score, AUROC and average precision those of all classes. About 4 s for 10,000 rows of 10
    classes, 9 s for 50,000 of 1,000 without probabilities. All rows are held in memory, with a byte for each replicate.

        python cli.py evaluate workspace/runs/tune-cifar10-softmax
        python cli.py evaluate workspace/runs/tune-cifar10-softmax --only ids.parquet
        python cli.py evaluate --predictions resnet50.csv
        python cli.py evaluate --predictions scores.npy --labels labels.txt
        python cli.py evaluate --predictions validation.parquet --model resnet50 --labels real.json

    Attributes
    ----------
    run
        A run folder of fit-incremental, tune or predict; all its models and sets are measured.
    predictions
        A file instead: CSV, Parquet, JSON, JSON lines, or an .npy array of scores.
    model
        Which model of the run, or which column of a file with one for each model.
    dataset
        Which set of the run; for a file, what to call the set.
    split
        Split of that set.
    labels
        For an array, the class of each row (.npy or text). Otherwise several right classes for each image: a table with
        the columns image and labels, or JSON with lists by image name or in the order of the rows.
    only
        CSV or Parquet file with the images to keep, as the explorer exports them (columns sample_id, dataset, split);
        sets that it does not name stay whole.
    exclude
        The same with images to leave out.
    replicates
        Of the bootstrap behind the intervals.
    seed
        Decides the bootstrap.
    workspace
        Where runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; that of the run or file measured when not given.
    """

    run: str = field(default="", kw_only=False)
    predictions: str = ""
    model: str = ""
    dataset: str = ""
    split: str = ""
    labels: str = ""
    only: str = ""
    exclude: str = ""
    replicates: int = 200
    seed: int = 0
    workspace: str = "workspace"
    name: str = ""


def run(config: EvaluateConfig, progress: Progress = SILENT) -> Report:
    """Measure, and write results and reliability tables."""
    if bool(config.run) == bool(config.predictions):
        raise InputError("name either a run folder or a file with --predictions, not both and not neither")
    if config.replicates < 2:
        raise InputError(f"--replicates is {config.replicates}; an interval needs 2 or more, 200 are usual")
    source = Location.of(config.run or config.predictions)
    asked = _of_run(config, source) if config.run else [config]
    names = [(one.dataset or _stem(source), one.split) for one in asked]
    chosen = Chosen.by(config)
    chosen.choice.check(names)
    sets = _label_sets(config)
    name = slug(config.name or "-".join(part for part in (_stem(source), config.model) if part))
    with opened(Location.of(config.workspace).absolute(), JOB, name, config, [_record(source), *chosen.inputs]) as made:
        results, tables, bars, notes = [], [], [], chosen.choice.notes(names)
        for one in asked:
            found, told = chosen.of_predictions(_read(one))
            progress.say(f"measuring {found.model} on {found.name}, {found.n:,} rows")
            with made.timed(f"evaluate {found.model} on {found.name}"):
                rows, counts = _measured(one, found, whole=not told)
                rows += _multi_label(found, sets) if sets else []
            results, bars = results + rows, bars + _bars(found, counts)
            notes += [*told, *_notes(found, rows, counts)]
        tables = [_headline(results), *_reliability_tables(bars)]
        (made.place / RELIABILITY).write_atomically(lambda file: pq.write_table(pa.Table.from_pylist(bars, BARS), file))
        return made.finish(results, tables, list(dict.fromkeys(notes)))


BARS = pa.schema(
    [
        *((name, pa.string()) for name in ("model", "dataset", "split")),
        *((name, pa.float64()) for name in ("low", "high")),
        ("n", pa.int64()),
        *((name, pa.float64()) for name in ("confidence", "accuracy")),
    ]
)


def _of_run(config: EvaluateConfig, source: Location) -> list[EvaluateConfig]:
    """One configuration for each model and set of the run that is asked for."""
    if not is_run(source):
        raise InputError(f"{source} is no run folder with predictions; name a file with --predictions instead")
    models = [config.model] if config.model else models_in_run(source) or [""]
    return [
        replace(config, model=model, dataset=dataset, split=split)
        for model in models
        for dataset, split in ([(config.dataset, config.split)] if config.dataset else _sets(source, model))
    ]


def _sets(source: Location, model: str) -> list[tuple[str, str]]:
    several = bool(models_in_run(source))
    return list(sets_in_run(source, model if several else "").values())


def _read(config: EvaluateConfig) -> Predictions:
    array = config.predictions.endswith(".npy")
    return read_predictions(
        config.run or config.predictions,
        model=config.model,
        dataset=config.dataset,
        split=config.split,
        labels=config.labels if array else "",
    )


def _label_sets(config: EvaluateConfig) -> "LabelSets | None":
    from engine.evaluate.multilabel import read_label_sets

    return read_label_sets(config.labels) if config.labels and not config.predictions.endswith(".npy") else None


def _measured(config: EvaluateConfig, found: Predictions, *, whole: bool) -> "tuple[list[Result], Outcomes]":
    """All metrics with intervals, and the counts they come from; a run has counted the scores of `whole` sets only."""
    from engine.evaluate import measure
    from engine.evaluate.predict import scores_left
    from engine.evaluate.tabled import counted, intervals, ranking_errors, selected

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


def _multi_label(found: Predictions, sets: "LabelSets") -> list[Result]:
    from engine.evaluate.multilabel import multi_label

    score = multi_label(found, sets)
    low, high = clopper_pearson(score.right, score.n)
    rows = [_result(found, "real_accuracy", score.real, score.n, low=low, high=high)]
    if score.ranked:
        rows.append(_result(found, "variable_top_k_accuracy", score.variable_top_k, score.ranked))
        rows.append(_result(found, "asma", score.asma, score.ranked))
    return rows


def _bars(found: Predictions, counts: "Outcomes") -> list[dict]:
    from engine.evaluate.calibration import reliability

    place = {"model": found.model, "dataset": found.dataset, "split": found.split}
    return [{**place, **bar._asdict()} for bar in (reliability(counts.calibration) if counts.calibration else ())]


def _notes(found: Predictions, results: Sequence[Result], counts: "Outcomes") -> list[str]:
    """What has to be known to read the numbers."""
    from engine.data.label_order import check_label_order

    values = {result.metric: result.value for result in results if result.class_name is None}
    order = check_label_order(counts.confusion)
    said = [f"warning: {found.model} on {found.name}: {order.sentence}"] if order else []
    if counts.unlabelled:
        said.append(f"{found.name}: {counts.unlabelled:,} rows without a label were left out")
    if counts.calibration is None:
        said.append(f"{found.model} gives no probabilities, so calibration and selection were left out")
    elif counts.scores is None:
        said.append(
            f"{found.model}: the probabilities of all classes are not there, so Brier score, class-wise calibration, "
            "AUROC and average precision were left out"
        )
    if "macro_auroc_error" in values:
        auroc, precision = (values[f"macro_{name}_error"] for name in ("auroc", "average_precision"))
        said.append(
            f"{found.model} on {found.name}: from histograms, AUROC is within {auroc:.1g} and average precision within "
            f"{precision:.1g} of the value of all scores"
        )
    return said


def _headline(results: Sequence[Result]) -> Table:
    found: dict[tuple[str, str], dict[str, Result]] = {}
    for result in results:
        if result.class_name is None:
            place = f"{result.dataset}/{result.split}" if result.split else result.dataset
            found.setdefault((result.model, place), {})[result.metric] = result
    metrics = [metric for metric in (*SHOWN, "real_accuracy") if any(metric in row for row in found.values())]
    rows = [
        (*place, row["accuracy"].n, *(_shown(row.get(metric)) for metric in metrics)) for place, row in found.items()
    ]
    return Table("Metrics with 95 % intervals", ("model", "set", "rows", *metrics), rows)


def _shown(result: Result | None) -> str | None:
    if result is None:
        return None
    interval = "" if result.low is None else f" ({result.low:.4f} - {result.high:.4f})"
    return f"{result.value:.4f}{interval}"


def _reliability_tables(bars: Sequence[dict]) -> list[Table]:
    """One for a single model on a single set; the file has them all."""
    if not bars or len({(bar["model"], bar["dataset"], bar["split"]) for bar in bars}) > 1:
        return []
    rows = [
        (
            f"{bar['low']:.3f} - {bar['high']:.3f}",
            bar["n"],
            *(f"{bar[name]:.4f}" for name in ("confidence", "accuracy")),
        )
        for bar in bars
    ]
    return [
        Table("Reliability: what confidences claim, what holds", ("confidence in", "rows", "claimed", "right"), rows)
    ]


def _stem(source: Location) -> str:
    return source.name.rpartition(".")[0] if "." in source.name and not source.is_folder() else source.name


def _record(source: Location) -> Input:
    """The record that a run reads `source`: a hash of the file, or of the manifest of a run."""
    file = source / MANIFEST if source.is_folder() else source
    if not file.exists():
        names = (source / PREDICTIONS).names() if source.is_folder() else []
        return Input(place=str(source), config_hash=digest_json([str(source), *names]), rows=0)
    with file.open_input() as stream:
        return Input(place=str(source), config_hash=digest_file(stream), rows=0)

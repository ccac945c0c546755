"""`compare`: models against each other on the same images, and against the line that models lie on."""

from dataclasses import field, replace
from itertools import chain
from typing import TYPE_CHECKING, Annotated

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.jobs import options
from gapscope.jobs.options import METHOD, configuration, option

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.predictions import Predictions
    from gapscope.runs.result import RunResult

JOB = "compare"


@configuration
class CompareConfig(options.Made):
    """Test models against each other on the same images, and against the line that models lie on.

    One set: accuracies, the difference of each pair with a bootstrap interval, the exact McNemar test, corrected by
    Holm for the number of pairs. Two sets, as --reference and --target (dataset/split of the runs, or files of
    predictions of the same models): also how far each model's accuracy on the target lies above what the line through
    the models, on probit axes, expects of its accuracy on the reference (effective robustness); --baseline-line names
    a line of other models. Models whose accuracies do not rise together beyond chance have no line, and those off the
    line of the others are named first and take no part in it. The two files may also be published tables of models and
    accuracies, such as timm's. 24 models on 60,000 images take about 6 s of one core.

    python cli.py compare RUN RUN --dataset cifar10 --split test
    python cli.py compare --predictions validation.parquet --model resnet50 --model vgg16
    python cli.py compare --reference validation.parquet --target v2.parquet
    python cli.py compare --reference results-imagenet.csv --target results-imagenetv2-matched-frequency.csv
    python cli.py compare RUN RUN --reference cifar10/test --target photos/all --baseline-line line.json
    """

    runs: options.Runs = field(default=(), kw_only=False)
    predictions: options.PredictionFiles = ()
    model: options.ModelNames = ()
    dataset: options.DatasetName = ""
    split: options.Split = ""
    reference: options.References = ()
    target: options.Targets = ()
    baseline_line: Annotated[
        str,
        option(
            "JSON or CSV with slope and intercept on probit axes, or with a row for each model and its accuracies as "
            "reference and target.",
            METHOD,
        ),
    ] = ""
    replicates: options.Replicates = 200
    memory: options.Memory = "2GB"


def run(config: CompareConfig, progress: Progress = SILENT) -> "RunResult":
    """Compare, and write the pairs and the line."""
    import pyarrow as pa

    from gapscope.core.files import write_json
    from gapscope.core.location import Location
    from gapscope.evaluation import comparison_results as results_of
    from gapscope.evaluation.compared import check_memory
    from gapscope.evaluation.comparison import baseline_line, paired, robustness
    from gapscope.evaluation.comparison_page import page
    from gapscope.evaluation.copies import predicted_once
    from gapscope.predictions import left_out_note
    from gapscope.runs.folder import opened
    from gapscope.runs.inputs import input_of_predictions, stem
    from gapscope.runs.run import find_run
    from gapscope.store.workspace import slug

    _check(config)
    if _of_accuracies(config):
        return _accuracies_compared(config)
    workspace = Location.of(config.workspace).absolute()
    places = [find_run(workspace, one) for one in config.runs]
    files = [place for place in places if not place.is_folder()]
    if files and (config.reference or len(files) < len(places)):
        raise InputError(
            f"{files[0]} is a file, which holds one set; compare files with --predictions on one set, or with "
            "--reference and --target on two"
        )
    if files:
        config = replace(config, predictions=config.runs, runs=())
    runs = tuple(str(place) for place in places) if config.runs else ()
    config = replace(config, runs=runs)
    places = config.runs or config.predictions or (*config.reference, *config.target)
    pairs = [_set(named[0]) for named in (config.reference, config.target) if named and config.runs]
    check_memory(places, pairs or [(config.dataset, config.split)], config.model, config.memory)
    sides, copies = zip(*map(predicted_once, _sides(config)), strict=True)
    places = [Location.of(place) for place in runs or config.predictions or (*config.reference, *config.target)]
    places = list(dict.fromkeys(places))
    name = slug(config.name or "-".join(dict.fromkeys(stem(place) for place in places)))
    inputs = [input_of_predictions(place, str(place)) for place in places]
    drawn = {"replicates": config.replicates, "seed": config.seed}
    notes = [note for place in places if not config.model and (note := left_out_note(str(place)))]
    notes += chain.from_iterable(copies)
    with opened(workspace, JOB, name, config, inputs) as made:
        results, differences = [], []
        for side in sides:
            progress.say(f"comparing {counted(len(side), 'model')} on {side[0].name}, {counted(side[0].n, 'image')}")
            with made.timed(f"compare on {side[0].name}"):
                pairs = paired(side, **drawn)
            results += [*results_of.accuracy_results(side), *results_of.pair_results(side[0], pairs)]
            differences += results_of.pair_rows(side[0], pairs)
        if len(sides) == 2:
            given = baseline_line(config.baseline_line) if config.baseline_line else None
            lines, distances = robustness(*sides, given, **drawn)
            results += results_of.line_results(sides[1], distances)
            write_json(made.place / "line.json", results_of.line_json(lines, distances))
        notes += dict.fromkeys(note for place in places if config.runs for note in _seen(place, sides, config))
        made.write_table("differences.parquet", pa.Table.from_pylist(differences, results_of.DIFFERENCES))
        return made.finish(results, notes=notes, page=page)


def _seen(run: "Location", sides: "list[list[Predictions]]", config: CompareConfig) -> list[str]:
    """Warnings where the models of a run were trained on rows that they are compared on."""
    from gapscope.evaluation.compared import among
    from gapscope.evaluation.training_sets import seen_by_run
    from gapscope.predictions.run import models_in_run
    from gapscope.store.selection import Choice

    sets = {(side[0].dataset, side[0].split) for side in sides}
    return seen_by_run(run, among(models_in_run(run), config.model, of_run=True), sets, Choice())


def _of_accuracies(config: CompareConfig) -> bool:
    """Whether both sets are tables of models and their accuracies."""
    from gapscope.evaluation.accuracy_tables import is_accuracy_table

    files = (*config.reference, *config.target) if not config.runs else ()
    tables = [place for place in files if is_accuracy_table(place)]
    if tables and len(files) != 2:
        raise InputError(f"{tables[0]} is a table of accuracies; give one as --reference and one as --target")
    if tables and len(tables) < 2:
        raise InputError(f"{tables[0]} is a table of accuracies and the other file is none; give two of them")
    return bool(tables)


def _accuracies_compared(config: CompareConfig) -> "RunResult":
    """The line through two tables of accuracies."""
    from gapscope.core.files import write_json
    from gapscope.core.location import Location
    from gapscope.evaluation import comparison_results as results_of
    from gapscope.evaluation.accuracy_tables import beside_the_line, read_accuracies
    from gapscope.evaluation.comparison import baseline_line
    from gapscope.evaluation.comparison_page import page
    from gapscope.runs.folder import opened
    from gapscope.runs.inputs import input_of_predictions
    from gapscope.store.workspace import slug

    workspace = Location.of(config.workspace).absolute()
    places = [Location.of(place) for place in (*config.reference, *config.target)]
    reference, target = (read_accuracies(str(place)) for place in places)
    name = slug(config.name or f"{reference.name}-{target.name}")
    inputs = [input_of_predictions(place, str(place)) for place in places]
    with opened(workspace, JOB, name, config, inputs) as made:
        given = baseline_line(config.baseline_line) if config.baseline_line else None
        lines, models = beside_the_line(reference, target, given, config.model)
        write_json(made.place / "line.json", results_of.line_json(lines, models))
        return made.finish(list(results_of.table_results(reference.name, target.name, models)), page=page)


def _check(config: CompareConfig) -> None:
    if bool(config.reference) != bool(config.target):
        raise InputError("--reference and --target belong together: name the set to start from and the other one")
    if not (config.runs or config.predictions or config.reference):
        raise InputError("name run folders, or files with --predictions, or with --reference and --target")
    if config.runs and config.predictions:
        raise InputError("name run folders or files with --predictions, not both")
    if config.predictions and config.reference:
        raise InputError("with files, --reference and --target name them; leave --predictions out")
    if config.baseline_line and not config.reference:
        raise InputError("--baseline-line needs two sets; name them with --reference and --target")
    if config.replicates < 2:
        raise InputError(f"--replicates is {config.replicates}; an interval needs 2 or more, 200 are usual")


def _sides(config: CompareConfig) -> "list[list[Predictions]]":
    """The models on one set, or on two, in the same order."""
    from gapscope.evaluation.compared import models_of
    from gapscope.predictions.matched import check_same_task

    of_runs = bool(config.runs)
    if not config.reference:
        places, which = config.runs or config.predictions, (config.dataset, config.split)
        return [_enough(models_of(places, config.model, *which, of_runs=of_runs), config)]
    sides = [
        models_of(config.runs, config.model, *_set(named[0]), of_runs=True)
        if of_runs
        else models_of(named, config.model)
        for named in (config.reference, config.target)
    ]
    reference, target = sides
    check_same_task(reference[0], target[0])
    other = {one.model: one for one in target}
    common = [one for one in reference if one.model in other]
    if not config.runs and not common and len(reference) == len(target):
        return [reference, [replace(other, model=one.model) for one, other in zip(reference, target, strict=True)]]
    if not common:
        raise InputError(
            f"no model is in both sets: {', '.join(sorted({one.model for one in reference}))} and "
            f"{', '.join(sorted(other))}; use the same names, or as many files for both sets, in the same order"
        )
    return [_enough(common, config), [other[one.model] for one in common]]


def _set(named: str) -> tuple[str, str]:
    """Dataset and split of a set; a name without a split is a dataset."""
    dataset, _, split = named.rpartition("/")
    return (dataset, split) if dataset else (split, "")


def _enough(models: "list[Predictions]", config: CompareConfig) -> "list[Predictions]":
    if len(models) < 2 and not config.baseline_line:
        raise InputError(f"there is only the model {models[0].model} to compare; name another run, file or model")
    return models

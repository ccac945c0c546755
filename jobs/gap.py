"""`gap`: the accuracy lost from one set to another, split into its causes."""

from collections.abc import Collection
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Literal

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import DATA, METHOD, configuration, data_root, option

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult

JOB = "gap"
SIDES = ("reference", "target")
FEWEST_REPLICATES = 20


@configuration
class GapConfig(options.Subset, options.OnWorkers, options.Reported):
    """Split the accuracy lost from one set to another into its causes, down to class, feature and image.

    With a run and two stored sets everything is computed; with two files of predictions, everything that needs no
    features. The terms sum to the gap; positive points are accuracy lost. A network is explained by the features that
    `extract --backbone run:NAME` stores. The reference must be a set that the model was not trained on. On two cores,
    10,000 + 10,000 rows of 1280 features take about a minute; `--skip remedies` and others save most of it.

    python cli.py gap fit-incremental-cifar10-softmax --reference cifar10/test --target night/test
    python cli.py gap train-cnn-cifar10-small --reference cifar10/test --target cifar10+night/test
    python cli.py gap tune-cifar10 --reference cifar10/test --target night/test --only ids.csv
    python cli.py gap RUN --reference cifar10/test --target night/test --verified verify-labels-RUN-night
    python cli.py gap --predictions-reference val.csv --predictions-target v2.csv --labels real.json
    """

    run: options.Run = field(default="", kw_only=False)
    reference: options.Reference = ""
    target: options.Target = ""
    model: options.ModelName = ""
    predictions_reference: options.PredictionsReference = ""
    predictions_target: options.PredictionsTarget = ""
    predictions_labels: Annotated[
        tuple[str, ...], option("For .npy files: the labels of the reference and of the target.", DATA)
    ] = ()
    labels: options.LabelFiles = ()
    verified: Annotated[
        tuple[str, ...],
        option("Run of verify-labels with the reviewed labels of the target, or one for each set.", DATA),
    ] = ()
    skip: Annotated[
        tuple[Literal["domain", "features", "attributes", "reasons", "remedies", "repairs"], ...],
        option("What to leave out; repairs is another name for remedies.", METHOD),
    ] = ()
    force: Annotated[
        bool, option("Allow a reference that the model was trained on; the gap then includes overfitting.", METHOD)
    ] = False
    replicates: options.Replicates = 200
    backbone: options.Backbone = ""


def run(config: GapConfig, progress: Progress = SILENT) -> "RunResult":
    """Compute all that the input allows, and write it."""
    from gapscope.core.location import Location
    from gapscope.reports.write import reported

    parts = _checked_parts(config)
    workspace = Location.of(config.workspace).absolute()
    done = _from_run(config, workspace, parts, progress) if config.run else _from_files(config, workspace, progress)
    return reported(done, wanted=config.report, data_root=data_root())


def _checked_parts(config: GapConfig) -> Collection[str]:
    """What is to be computed, after options that do not go together have been refused."""
    from gapscope.gaps.evidence import PARTS

    skipped = {"remedies" if part == "repairs" else part for part in config.skip}
    for part in sorted(skipped - {*PARTS}):
        raise unknown_name("part to skip", part, PARTS)
    stored = [name for name in SIDES if getattr(config, name)]
    files = [name for name in ("predictions_reference", "predictions_target") if getattr(config, name)]
    if config.run and (len(stored) < 2 or files):
        raise InputError(
            f"a run needs --reference and --target as dataset/split, and no files of predictions{_predicted(config)}"
        )
    if not config.run and (len(files) < 2 or stored):
        raise InputError(
            "name a run with --reference and --target as dataset/split, or --predictions-reference and "
            "--predictions-target without them"
        )
    if len(config.labels) > 2 or len(config.predictions_labels) not in (0, 2):
        raise InputError("--labels takes a file or two, --predictions-labels one for each side")
    if config.labels and config.verified:
        raise InputError("give better labels with --labels or reviews of some with --verified, not both")
    if config.replicates < FEWEST_REPLICATES:
        raise InputError(f"--replicates {config.replicates} is too few for an interval; give 20 or more, such as 200")
    return {*PARTS} - skipped


def _predicted(config: GapConfig) -> str:
    """What the run has predictions for, as the end of a sentence."""
    from gapscope.core.location import Location
    from gapscope.predictions.run import models_in_run, sets_in_run
    from gapscope.runs.run import find_run

    run = find_run(Location.of(config.workspace).absolute(), config.run)
    models = models_in_run(run)
    sets = sets_in_run(run, models[0] if models else "").values()
    named = ", ".join(sorted("/".join(filter(None, pair)) for pair in sets))
    return f"; {run.name} has predicted {named}" if named else ""


def _from_files(config: GapConfig, workspace: "Location", progress: Progress) -> "RunResult":
    from gapscope.core.location import Location
    from gapscope.evaluation.copies import predicted_once
    from gapscope.gaps import record
    from gapscope.gaps.analysis import analyse, labels_of_both
    from gapscope.gaps.keys import keys_of_predictions
    from gapscope.gaps.page import page
    from gapscope.gaps.reviewed import reviews_of_both
    from gapscope.predictions import read_predictions
    from gapscope.predictions.matched import with_classes_of_both
    from gapscope.predictions.memory import check_predictions, predictions_bytes
    from gapscope.runs.folder import opened
    from gapscope.runs.selection import Chosen
    from gapscope.schemas.run import Input
    from gapscope.store.workspace import slug

    places = (config.predictions_reference, config.predictions_target)
    extra = config.predictions_labels or ("", "")
    model = config.model or _only_model(places[0])
    needed = [predictions_bytes(Location.of(place)) for place in places]
    check_predictions(f"a gap between {places[0]} and {places[1]}", needed, config.memory)
    sides = with_classes_of_both(
        *(read_predictions(place, model=model, labels=labels) for place, labels in zip(places, extra, strict=True))
    )
    chosen = Chosen.by(config)
    sides, notes = chosen.of_both(sides)
    sides, copies = predicted_once(sides)
    notes += copies
    name = slug(config.name or f"{model or sides[0].model}-{sides[0].name}-{sides[1].name}")
    inputs = [*(Input(place=place, config_hash="", rows=0) for place in places), *chosen.inputs]
    with opened(workspace, JOB, name, config, inputs) as made:
        progress.say(f"{sides[0].n:,} and {sides[1].n:,} predictions of {sides[0].model}")
        with made.timed("breakdown"):
            labels = labels_of_both(config.labels, sides[0].class_names)
            keys = None if places[0] == places[1] else keys_of_predictions(*sides)
            reviews = reviews_of_both(workspace, config.verified, sides)
            drawn = {"replicates": config.replicates, "seed": config.seed}
            analysis = analyse(sides, labels=labels, reviews=reviews, keys=keys, **drawn)
        record.write(analysis, made)
        results, by_class = record.headline_results(analysis), record.class_results(analysis)
        return made.finish(results, notes=notes, kept=by_class, page=page)


def _only_model(place: str) -> str:
    from gapscope.predictions import models_in

    several = models_in(place)
    if len(several) > 1:
        raise InputError(f"{place} has the predictions of {len(several)} models; choose one with --model: "
                         f"{', '.join(several)}")  # fmt: skip
    return several[0] if several else ""


def _from_run(config: GapConfig, workspace: "Location", parts: Collection[str], progress: Progress) -> "RunResult":
    from gapscope.evaluation.copies import once
    from gapscope.evaluation.opened import open_model
    from gapscope.evaluation.recorded import recorded, with_predictions
    from gapscope.evaluation.training_sets import TrainingSets
    from gapscope.gaps import record
    from gapscope.gaps.analysis import analyse, labels_of_both
    from gapscope.gaps.evidence import evidence_of
    from gapscope.gaps.keys import keys_of_stores
    from gapscope.gaps.memory import that_fit
    from gapscope.gaps.reviewed import reviews_of_both
    from gapscope.gaps.sides import predicted_side
    from gapscope.probes.model import RECORDED
    from gapscope.probes.rules.linear import Linear
    from gapscope.reports.cause import page_of_gap
    from gapscope.runs.connection import connected
    from gapscope.runs.folder import opened
    from gapscope.runs.selection import Chosen
    from gapscope.store.comparable import check_comparable
    from gapscope.store.workspace import slug

    sets = {f"--{side}": getattr(config, side) for side in SIDES}
    both = open_model(workspace, config.run, sets, model=config.model, backbone=config.backbone, alone=True)
    folder, model, whole, _ = both
    chosen = Chosen.by(config)
    stores = chosen.of_stores(whole)
    if model.rule.kind == RECORDED:
        stores = [with_predictions(recorded(folder, model, store), store) for store in stores]
    check_comparable(*stores)
    notes = TrainingSets(folder).check_reference(model.name, *stores, force=config.force)
    stores, repeated = zip(*map(once, stores), strict=True)
    notes += filter(None, repeated)
    stores = that_fit(stores, len(model.class_names), allowed=config.memory, threads=config.threads)
    name = slug(config.name or f"{folder.name}-{config.reference}-{config.target}")
    inputs = [*both._replace(stores=stores).inputs(), *chosen.inputs]
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as made:
        sides = [predicted_side(model, folder, store, made, workers, progress) for store in stores]
        labels = labels_of_both(config.labels, model.class_names)
        drawn = {"replicates": config.replicates, "seed": config.seed}
        evidence, missing = evidence_of(model, sides, parts, made, workers, progress, **drawn)
        with made.timed("breakdown"):
            predicted = (sides[0].predictions, sides[1].predictions)
            keys = keys_of_stores(stores, [one.sample_id for one in predicted])
            reviews = reviews_of_both(workspace, config.verified, predicted)
            analysis = analyse(predicted, labels=labels, reviews=reviews, evidence=evidence, keys=keys, **drawn)
        record.write(analysis, made, linear=isinstance(model.rule, Linear))
        results, by_class = record.headline_results(analysis), record.class_results(analysis)
        return made.finish(results, notes=[*notes, *chosen.notes(stores), *missing], kept=by_class, page=page_of_gap)

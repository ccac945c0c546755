"""`forecast`: the accuracy on sets without their labels, with a back-test where there are labels after all."""

from collections.abc import Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Annotated, Literal

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.forecasts import FORECASTS
from gapscope.jobs import options
from gapscope.jobs.options import DATA, METHOD, configuration, option

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.forecasts.cases import Case
    from gapscope.forecasts.pairs import Pair
    from gapscope.runs.folder import RunFolder
    from gapscope.runs.result import RunResult
    from gapscope.schemas.run import Input

JOB = "forecast"


@configuration
class ForecastConfig(options.OnWorkers, options.Made):
    """Estimate the accuracy of models on a set without its labels: one number with its interval, and all methods.

    The interval holds the error of the method, which is learnt from shifts that are made of the reference; a set that
    is further away than these cannot be forecast, which is said.
    Learns what it needs (temperature, threshold, accuracy) from a labelled set that the models were not trained on, and
    reads each set once. Where the target has labels after all, the estimates are tested against them; nothing else
    looks at them. All models of the runs are compared; of train-cnn, one network at a time, by the features that
    `extract --backbone run:NAME` stores. Ten thousand rows of 1280 features take seconds, training the heads aside.

    python cli.py forecast tune-cifar10-softmax --reference cifar10/test --target photos/all
    python cli.py forecast RUN --reference imagenet/val --target imagenetv2/test imagenet-a/test --heads 0
    python cli.py forecast --predictions-reference v1.parquet --predictions-target v2.parquet
    """

    runs: options.Runs = field(default=(), kw_only=False)
    reference: options.Reference = ""
    target: options.Targets = ()
    model: options.ModelNames = ()
    methods: Annotated[
        tuple[
            Literal[
                *("average-confidence", "doc", "atc-mc", "atc-ne", "cot"),
                *("nuclear-norm", "gde", "aline-s", "aline-d"),
            ],
            ...,
        ],
        option("Which methods; all that can be used when not given.", METHOD),
    ] = ()
    heads: Annotated[
        int,
        option(
            "How many models to train, in pairs on the halves of the training rows and on ever smaller shares of "
            "these, for the methods that compare models, where there is only one; 0 for none.",
            METHOD,
        ),
    ] = 6
    predictions_reference: options.PredictionsReferences = ()
    predictions_target: options.PredictionsTargets = ()
    labels_reference: Annotated[str, option("Labels of the reference, where its predictions are an array.", DATA)] = ""
    labels_target: Annotated[
        str, option("Labels of the target for the back-test, where its predictions are an array.", DATA)
    ] = ""
    replicates: options.Replicates = 200
    backbone: options.Backbone = ""


def run(config: ForecastConfig, progress: Progress = SILENT) -> "RunResult":
    """Make the forecasts, and test them where there are labels."""
    from gapscope.core.location import Location
    from gapscope.evaluation.recorded import holds_predictions_alone
    from gapscope.runs.run import find_run

    for name in config.methods:
        FORECASTS[name]  # an unknown name is refused before anything is read
    if config.replicates < 0 or config.heads < 0:
        raise InputError("--replicates and --heads are numbers of 0 or more")
    workspace = Location.of(config.workspace).absolute()
    files = config.predictions_reference, config.predictions_target
    if any(files):
        if config.runs or not all(files):
            raise InputError(
                "forecasts from files need --predictions-reference and --predictions-target, and no run folder"
            )
        return _from_files(config, workspace, progress)
    if not (config.runs and config.reference and config.target):
        raise InputError(
            "forecast needs a run folder, --reference dataset/split and --target dataset/split; "
            "or --predictions-reference and --predictions-target"
        )
    runs = [find_run(workspace, run) for run in config.runs]
    recorded = [run for run in runs if holds_predictions_alone(run)]
    if recorded and len(recorded) < len(runs):
        raise InputError(
            f"of {recorded[0].name} predictions alone are known, and other runs hold a model; forecast them one by one"
        )
    if recorded:
        return _from_predictions(config, workspace, runs, progress)
    return _from_stores(config, workspace, progress)


def _from_stores(config: ForecastConfig, workspace: "Location", progress: Progress) -> "RunResult":
    """Read the reference, then every target, with all models together."""
    from gapscope.evaluation.copies import once
    from gapscope.evaluation.models import as_stored, find_features
    from gapscope.evaluation.stored import check_features, classes_of, known_classes_of
    from gapscope.forecasts.candidates import candidates_in, check_independence
    from gapscope.forecasts.learning import learnt_from_features
    from gapscope.forecasts.memory import check_memory
    from gapscope.forecasts.panel import heads_for, panel_of
    from gapscope.forecasts.scored import score
    from gapscope.forecasts.strangeness import strangeness_of
    from gapscope.runs.connection import connected
    from gapscope.runs.folder import input_of, opened
    from gapscope.runs.inputs import run_of
    from gapscope.runs.run import find_run
    from gapscope.store.selected import Selected
    from gapscope.store.workspace import slug

    candidates = candidates_in([find_run(workspace, run) for run in config.runs], config.model)
    backbone = config.backbone or candidates[0].model.features.get("backbone", "")
    whole = [find_features(workspace, name, backbone) for name in (config.reference, *config.target)]
    (reference, *targets), repeated = zip(*map(once, whole), strict=True)
    candidates = [one._replace(model=as_stored(one.model, reference)) for one in candidates]
    for store in (reference, *targets):
        for one in candidates:
            check_features(one.model, store)
    notes = check_independence(candidates, reference, targets)
    notes += [*repeated, *(store.sentence for store in (reference, *targets) if isinstance(store, Selected))]
    views = [store.view() for store in (reference, *targets)]
    models, classes = len(candidates) + config.heads * (len(candidates) == 1), len(reference.class_names)
    check_memory(views, models, classes, allowed=config.memory, threads=config.threads)
    name = slug(config.name or f"{run_of(candidates[0].place).name}-{'+'.join(slug(one) for one in config.target)}")
    inputs = [*(one.record for one in candidates), *map(input_of, (reference, *targets))]
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as made:
        with made.timed("heads"):
            heads, note = heads_for(candidates, config.methods, config.heads, workers, progress, seed=config.seed)
        panel, temperatures = panel_of(candidates, heads, reference)
        strange, moments = strangeness_of(reference.view(), workers, progress)
        panel = replace(panel, strange=strange)
        notes += [note, temperatures]
        cases = []
        with made.timed("answers"):
            classes, _ = classes_of(panel.models[0], reference)
            known = score(reference.view(), panel, classes, workers, labelled_only=True, progress=progress)
        with made.timed("back-tests"):
            progress.say(f"learning from shifts that are made of {reference.name}")
            where = (reference.view(), panel, classes, moments, workers, progress)
            learnt = learnt_from_features(known, *where, seed=config.seed)
        with made.timed("targets"):
            panel = replace(panel, strange=strange.anywhere())
            for store in targets:
                classes, note = known_classes_of(panel.models[0], store)
                scored = score(store.view(), panel, classes, workers, progress=progress)
                place = (store.provenance.dataset, store.provenance.split)
                cases += [_case(config, *both, place) for both in zip(known, scored, learnt, strict=True)]
                notes.append(note)
        return _finish(made, cases, notes)


def _from_files(config: ForecastConfig, workspace: "Location", progress: Progress) -> "RunResult":
    """Match the models of both sides, and make the forecasts of each."""
    from gapscope.core.location import Location
    from gapscope.forecasts.pairs import inputs, paired, read_models
    from gapscope.predictions.memory import check_predictions, predictions_bytes

    places = [*config.predictions_reference, *config.predictions_target]
    needed = [predictions_bytes(Location.of(place)) for place in places]
    check_predictions(f"a forecast from {places[0]} for {places[-1]}", needed, config.memory)
    pairs = paired(
        read_models(config.predictions_reference, config.labels_reference),
        read_models(config.predictions_target, config.labels_target, bare=True),
        config.model,
    )
    name = config.name or "-".join(one.name for one in pairs[0])
    return _from_pairs(
        config,
        workspace,
        name,
        [pairs],
        inputs((config.predictions_reference, config.predictions_target), pairs[0]),
        progress,
    )


def _from_predictions(
    config: ForecastConfig, workspace: "Location", runs: "Sequence[Location]", progress: Progress
) -> "RunResult":
    """The same of runs of which predictions alone are known, for one target after another."""
    from gapscope.core.set_name import SetName
    from gapscope.forecasts.pairs import paired, read_models
    from gapscope.predictions.memory import check_predictions, set_bytes
    from gapscope.predictions.run import models_in_run
    from gapscope.runs.inputs import input_of_predictions

    reference, *targets = (
        SetName.parse(one, option)
        for option, one in [("--reference", config.reference), *(("--target", one) for one in config.target)]
    )
    models = [(run, model) for run in runs for model in models_in_run(run) or [""]]
    needed = [set_bytes(*model, *one) for model in models for one in (reference, *targets)]
    check_predictions(f"a forecast from {reference} for {targets[-1]}", needed, config.memory)
    places = [str(run) for run in runs]
    sides = [read_models(places, "", of=one) for one in (reference, *targets)]
    pairs = [paired(sides[0], side, config.model) for side in sides[1:]]
    inputs = [input_of_predictions(run, str(run)) for run in runs]
    name = config.name or f"{runs[0].name}-{'+'.join(config.target)}"
    return _from_pairs(config, workspace, name, pairs, inputs, progress)


def _from_pairs(
    config: ForecastConfig,
    workspace: "Location",
    name: str,
    targets: "Sequence[list[Pair]]",
    inputs: "list[Input]",
    progress: Progress,
) -> "RunResult":
    """The forecasts of all models for each target, from predictions alone."""
    from gapscope.evaluation.copies import predicted_once
    from gapscope.forecasts.learning import learnt_from_rows
    from gapscope.forecasts.pairs import temperature_notes
    from gapscope.forecasts.scored import scored_predictions, temperature_of
    from gapscope.runs.connection import connected
    from gapscope.runs.folder import opened
    from gapscope.store.workspace import slug

    cases: list[Case] = []
    notes = ["The labelled predictions must be for images that the models were not trained on."]
    with connected(config, progress), opened(workspace, JOB, slug(name), config, inputs) as made:
        with made.timed("answers"):
            for pairs in targets:
                both = [predicted_once([pair[side] for pair in pairs]) for side in (0, 1)]
                (reference, some), (target, more) = both
                notes += dict.fromkeys((*some, *more))
                temperatures = [
                    1.0 if one.scores is None else temperature_of(one.scores, one.label) for one in reference
                ]
                known, scored = (scored_predictions(side, temperatures) for side in (reference, target))
                place = (target[0].dataset, target[0].split)
                learnt = learnt_from_rows([one.labelled() for one in known], config.seed)
                cases += [_case(config, *both, place) for both in zip(known, scored, learnt, strict=True)]
                notes += temperature_notes(reference, temperatures)
        return _finish(made, cases, notes)


def _case(config: ForecastConfig, source, target, learnt, place: tuple[str, str]) -> "Case":
    from gapscope.forecasts.cases import Case
    from gapscope.forecasts.forecast import ForecastOptions

    return Case.of(source, target, place, config.methods, ForecastOptions(config.seed, config.replicates), learnt)


def _finish(made: "RunFolder", cases: "Sequence[Case]", notes: Sequence[str]) -> "RunResult":
    from gapscope.core.files import write_json
    from gapscope.reports.cause import page_of_forecast

    write_json(made.place / "forecasts.json", [one for case in cases for one in case.sentences()])
    write_json(made.place / "recommended.json", [case.advice() for case in cases])
    missing = [sentence for case in cases for sentence in case.missing]
    results = [result for case in cases for result in case.results()]
    return made.finish(results, notes=[note for note in (*notes, *missing) if note], page=page_of_forecast)

"""`forecast`: how accurate models are on a set whose labels are not looked at."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from engine.core.errors import InputError
from engine.core.hashing import digest_file, digest_json
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.evaluate import align_classes
from engine.forecast import FORECASTS
from engine.forecast.forecast import Forecast, ForecastOptions, Truth, backtested, forecasts, truth
from engine.forecast.heads import train_heads
from engine.forecast.resampled import shown
from engine.forecast.scored import (
    Panel,
    Scored,
    score,
    scored_predictions,
    temperature_of,
    temperature_rows,
    unlabelled_scores,
)
from engine.networks.runs import holds_network
from engine.predictions import Predictions
from engine.predictions.matched import matched, with_classes_of_both
from engine.predictions.read import read_all_models, read_predictions
from engine.probes.model import MODEL, Classifier
from engine.store import EmbeddingStore, open_store
from engine.store.workspace import slug
from engine.stream import Workers
from jobs.connection import connected
from jobs.evaluation import check_features, title_of
from jobs.folder import MANIFEST, MODELS, RunFolder, input_of, opened
from jobs.network import as_stored, find_features, model_in
from jobs.report import Report, Table
from schemas.results import Result
from schemas.run import Input

JOB = "forecast"
ARRAY = ".npy"
FEWEST = 2
# With more models than this, what each forecast means is left to the table.
TOLD = 2
CAVEAT = (
    "intervals are over other samples of rows of these sizes; a method's own error is not in them and is often larger"
)


@dataclass(frozen=True, kw_only=True)
class ForecastConfig:
    """Estimate the accuracy of models on a set without its labels, by all methods that the data allow.

    Learns what it needs (temperature, threshold, accuracy) from a labelled set that the models were not trained on, and
    reads each set once. Where the target has labels after all, the estimates are tested against them; nothing else
    looks at them. Ten thousand rows of 1280 features take seconds, training the heads aside.

        python cli.py forecast workspace/runs/tune-cifar10-softmax --reference cifar10/test --target photos/all
        python cli.py forecast RUN --reference imagenet/val --target imagenetv2/test imagenet-a/test --heads 0
        python cli.py forecast --predictions-reference v1.parquet --predictions-target v2.parquet

    Attributes
    ----------
    runs
        Run folders of fit-incremental or tune, or folders of models below one. All their models are compared. Of
        train-cnn, one network at a time, by the features that `extract --backbone run:NAME` stores.
    reference
        Labelled set that the models were not trained on, as dataset/split.
    target
        One or several sets to make forecasts for, as dataset/split.
    model
        Only the models of these names.
    methods
        One or several of average-confidence, doc, atc-mc, atc-ne, cot, nuclear-norm, gde, aline-s, aline-d; all that
        can be had when not given.
    heads
        How many models to train, in pairs on the halves of the training rows and on ever smaller shares of these, for
        the methods that compare models, where there is only one model; 0 for none.
    predictions_reference
        Files of predictions for the reference, instead of runs and sets.
    predictions_target
        Files of predictions for the target, of the same models.
    labels_reference
        Labels of the reference, where its predictions are an array.
    labels_target
        Labels of the target for the back-test, where its predictions are an array; may be left out.
    replicates
        Of the bootstrap behind the intervals.
    backbone
        Which backbone's embeddings; the model's own when not given.
    seed
        Decides the bootstrap and the training of heads.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    cluster
        local starts a Dask cluster on this machine for this run.
    workers
        Number of worker processes of that cluster.
    workspace
        Where embeddings are and runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; that of the model's folder and of the targets when not given.
    """

    runs: tuple[str, ...] = field(default=(), kw_only=False)
    reference: str = ""
    target: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    heads: int = 6
    predictions_reference: tuple[str, ...] = ()
    predictions_target: tuple[str, ...] = ()
    labels_reference: str = ""
    labels_target: str = ""
    replicates: int = 200
    backbone: str = ""
    seed: int = 0
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    workspace: str = "workspace"
    name: str = ""


class Candidate(NamedTuple):
    """A model to make forecasts for: where it lies, what tables call it, and its training rows, if known."""

    place: Location
    title: str
    model: Classifier
    trained_on: Input | None


class Case(NamedTuple):
    """One model on one target: its forecasts, and the truth where labels tell it."""

    model: str
    dataset: str
    split: str
    made: list[Forecast]
    found: Truth | None


def run(config: ForecastConfig, progress: Progress = SILENT) -> Report:
    """Make the forecasts, and test them where there are labels."""
    for name in config.methods:
        FORECASTS[name]  # an unknown name is refused before anything is read
    if config.replicates < 0 or config.heads < 0:
        raise InputError("--replicates and --heads are numbers of 0 or more")
    files = config.predictions_reference, config.predictions_target
    if any(files):
        if config.runs or not all(files):
            raise InputError(
                "forecasts from files need --predictions-reference and --predictions-target, and no run folder"
            )
        return _from_files(config, progress)
    if not (config.runs and config.reference and config.target):
        raise InputError(
            "forecast needs a run folder, --reference dataset/split and --target dataset/split; "
            "or --predictions-reference and --predictions-target"
        )
    return _from_stores(config, progress)


def _from_stores(config: ForecastConfig, progress: Progress) -> Report:
    workspace = Location.of(config.workspace).absolute()
    candidates = _candidates(config)
    first = candidates[0]
    backbone = config.backbone or first.model.features.get("backbone", "")
    reference, *targets = (_store(workspace, name, backbone) for name in (config.reference, *config.target))
    candidates = [one._replace(model=as_stored(one.model, reference)) for one in candidates]
    for store in (reference, *targets):
        for one in candidates:
            check_features(one.model, store)
    notes = _independence(candidates, reference)
    name = slug(config.name or f"{_run(first.place).name}-{'+'.join(slug(one) for one in config.target)}")
    inputs = [*(_record(one) for one in candidates), *(input_of(store) for store in (reference, *targets))]
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as folder:
        with folder.timed("heads"):
            heads, told = _heads(config, candidates, workers, progress)
        panel, warmed = _panel(candidates, heads, reference)
        with folder.timed("answers"):
            classes = align_classes(first.model.class_names, reference.class_names, reference.name)[0]
            known = score(reference.view(), panel, classes, workers, labelled_only=True, progress=progress)
            cases, left_out = [], []
            for store in targets:
                classes, note = _classes(first.model, store)
                asked = score(store.view(), panel, classes, workers, progress=progress)
                made = store.provenance
                done = [_case(*pair, made.dataset, made.split, config) for pair in zip(known, asked, strict=True)]
                cases += [case for case, _ in done]
                left_out += [note, *(sentence for _, missing in done for sentence in missing)]
        return _report(folder, cases, [*notes, *told, *warmed, *left_out])


def _candidates(config: ForecastConfig) -> list[Candidate]:
    """The models of all runs, those named by ``--model`` if any are."""
    places = []
    for run_folder in (Location.of(one).absolute() for one in config.runs):
        names = (run_folder / MODELS).names()
        places += [run_folder / MODELS / name for name in names] or [run_folder]
    loaded = [(place, model_in(place)) for place in places]
    titles = [title_of(model.name, model.details.get("class_weight", "none")) for _, model in loaded]
    found = [
        Candidate(
            place, title if titles.count(title) == 1 else f"{title} ({_run(place).name})", model, _trained_on(place)
        )
        for (place, model), title in zip(loaded, titles, strict=True)
    ]
    chosen = [one for one in found if not config.model or {one.title, one.place.name} & set(config.model)]
    if not chosen:
        there = ", ".join(one.title for one in found)
        raise InputError(f"no model is called {', '.join(config.model)}; the runs have {there}")
    for one in chosen:
        if one.model.class_names != chosen[0].model.class_names:
            raise InputError(f"{one.title} and {chosen[0].title} have other classes; forecast them one by one")
    _check_networks(chosen)
    return chosen


def _check_networks(candidates: Sequence[Candidate]) -> None:
    """Refuse several networks, of which each has features of its own."""
    networks = [one.place.name for one in candidates if holds_network(one.place)]
    if len(networks) > 1:
        raise InputError(
            f"{', '.join(networks)} are networks, each with features of its own; choose one with --model, or compare "
            "them by --predictions-reference and --predictions-target"
        )


def _trained_on(place: Location) -> Input | None:
    """The rows that the model in `place` was trained on, as its run has written it down."""
    manifest = _run(place) / MANIFEST
    inputs = json.loads(manifest.read_text())["inputs"] if manifest.exists() else []
    return Input(**inputs[0]) if inputs else None


def _run(place: Location) -> Location:
    """The run folder of the model in `place`, which lies in it or below its models."""
    return place.parent.parent if place.parent.name == MODELS else place


def _store(workspace: Location, name: str, backbone: str) -> EmbeddingStore:
    dataset, _, split = name.rpartition("/")
    if not dataset:
        raise InputError(f"{name} names no split; write it as dataset/split")
    return find_features(workspace, dataset, split, backbone)


def _independence(candidates: Sequence[Candidate], reference: EmbeddingStore) -> list[str]:
    """Refuse a reference that a model was trained on; say so where that cannot be known.

    A probe has learnt from a store, a network from the images of a listing.
    """
    origins = {
        reference.manifest.config_hash: reference.name,
        reference.provenance.fingerprint.hash: f"the images of {reference.name}",
    }
    for one in candidates:
        if one.trained_on and one.trained_on.config_hash in origins:
            raise InputError(
                f"{one.title} was trained on {origins[one.trained_on.config_hash]}, where it is surer and more often "
                "right than on new images, so that a threshold or a temperature from there is biased; give --reference "
                "a labelled split that was held out, such as val or test"
            )
    unknown = [one.title for one in candidates if not one.trained_on]
    return [
        f"warning: nothing says which rows {', '.join(unknown)} saw in training; forecasts are too high if "
        f"{reference.name} is among them"
    ] * bool(unknown)


def _heads(
    config: ForecastConfig, candidates: Sequence[Candidate], workers: Workers, progress: Progress
) -> tuple[tuple[tuple[Classifier, ...], tuple[int, ...]], list[str]]:
    """Models to compare, where the runs hold only one; and a sentence about where they come from."""
    if len(candidates) > 1:
        return ((), ()), [
            f"gde and aline compare the {len(candidates)} models of the runs; models trained on the same rows agree "
            "more often than the methods suppose"
        ]
    compares = not config.methods or any(
        "heads" in FORECASTS[n].needs or "line" in FORECASTS[n].needs for n in config.methods
    )
    if config.heads < FEWEST or not compares:
        return ((), ()), []
    if holds_network(candidates[0].place):
        return ((), ()), [
            f"heads on the features of {candidates[0].title} would share all that it has learnt, so none were trained "
            "to compare"
        ]
    seen = candidates[0].trained_on
    if seen is None or not (Location.of(seen.place) / MANIFEST).exists():
        return ((), ()), ["the training rows are not at hand, so no heads were trained to compare"]
    store = open_store(Location.of(seen.place))
    progress.say(f"training {config.heads} heads on the halves of {store.name} and on shares of them")
    heads = train_heads(candidates[0].model, store.view(), config.heads, workers, seed=config.seed, progress=progress)
    return heads, [
        f"gde compares two heads trained on the halves of {store.name}, aline these and {config.heads - FEWEST} on "
        "smaller shares"
    ]


def _panel(
    candidates: Sequence[Candidate], heads: tuple[tuple[Classifier, ...], tuple[int, ...]], reference: EmbeddingStore
) -> tuple[Panel, list[str]]:
    """The models with the temperatures that suit the reference."""
    first = candidates[0].model
    classes, _ = align_classes(first.class_names, reference.class_names, reference.name)
    rows = temperature_rows(reference.view(), len(first.class_names))
    label = np.append(classes, -1)[rows.y]
    temperatures = tuple(temperature_of(one.model.scores(rows.x), label) for one in candidates)
    titles = tuple(one.title for one in candidates)
    known = f"from the first {int((label >= 0).sum()):,} labelled rows of {reference.name}"
    told = ", ".join(f"{title} {value:.3g}" for title, value in zip(titles, temperatures, strict=True))
    models = tuple(one.model for one in candidates)
    return Panel(models, titles, temperatures, *heads), [f"temperatures {known}: {told}"]


def _classes(model: Classifier, store: EmbeddingStore) -> tuple[np.ndarray, str]:
    """The model's class index of each of the store's; all unknown where these are other classes."""
    if not store.class_names:
        return np.empty(0, np.int64), ""
    try:
        return align_classes(model.class_names, store.class_names, store.name)[0], ""
    except InputError as error:
        return np.full(len(store.class_names), -1), f"no back-test on {store.name}: {error}"


def _from_files(config: ForecastConfig, progress: Progress) -> Report:
    workspace = Location.of(config.workspace).absolute()
    pairs = _paired(
        _read(config.predictions_reference, config.labels_reference),
        _read(config.predictions_target, config.labels_target, bare=True),
        config.model,
    )
    first = pairs[0][1]
    name = slug(config.name or f"{pairs[0][0].name}-{first.name}")
    places = [*config.predictions_reference, *config.predictions_target]
    inputs = [
        _file(Location.of(place), pairs[0][index >= len(config.predictions_reference)].n)
        for index, place in enumerate(places)
    ]
    with connected(config, progress), opened(workspace, JOB, name, config, inputs) as folder:
        with folder.timed("answers"):
            temperatures = [1.0 if one.scores is None else temperature_of(one.scores, one.label) for one, _ in pairs]
            known, asked = (scored_predictions(side, temperatures) for side in zip(*pairs, strict=True))
            done = [_case(*both, first.dataset, first.split, config) for both in zip(known, asked, strict=True)]
        notes = ["the labelled predictions must be for images that the models were not trained on"]
        notes += _warmth([one for one, _ in pairs], temperatures)
        notes += [sentence for _, missing in done for sentence in missing]
        return _report(folder, [case for case, _ in done], notes)


def _warmth(reference: Sequence[Predictions], temperatures: Sequence[float]) -> list[str]:
    if all(one.scores is None for one in reference):
        return ["confidences are used as the files have them"] * any(one.confidence is not None for one in reference)
    told = ", ".join(f"{one.model} {value:.3g}" for one, value in zip(reference, temperatures, strict=True))
    return [f"temperatures from {reference[0].name}: {told}"]


def _read(places: Sequence[str], labels: str, *, bare: bool = False) -> list[Predictions]:
    """The predictions in all files; the first file's rows in its order. An array without labels may be `bare`."""
    found: list[Predictions] = []
    for place in places:
        if place.endswith(ARRAY):
            found.append(
                read_predictions(place, labels=labels) if labels or not bare else unlabelled_scores(Location.of(place))
            )
        else:
            found += read_all_models(place)
    return [found[0], *(matched(found[0], other)[1] for other in found[1:])]


def _paired(
    reference: Sequence[Predictions], target: Sequence[Predictions], chosen: Sequence[str]
) -> list[tuple[Predictions, Predictions]]:
    """Each model's predictions for both sets, by name; by position where the files name none in common.

    Raises
    ------
    InputError
        No model is in both.
    """
    there = {one.model: one for one in target}
    pairs = [(one, there[one.model]) for one in reference if one.model in there]
    if not pairs and len(reference) == len(target):
        pairs = list(zip(reference, target, strict=True))
    pairs = [pair for pair in pairs if not chosen or pair[0].model in chosen]
    if not pairs:
        raise InputError(
            f"no model is in both files{' and among --model' * bool(chosen)}: the reference has "
            f"{', '.join(one.model for one in reference)}, the target {', '.join(one.model for one in target)}"
        )
    return [_of_one_kind(one.labelled(), other) for one, other in pairs]


def _of_one_kind(one: Predictions, other: Predictions) -> tuple[Predictions, Predictions]:
    """Both with the same classes, and with scores only if both have them."""
    one, other = with_classes_of_both(one, other)
    if (one.scores is None) == (other.scores is None):
        return one, other
    return replace(one, scores=None, confidence=None), replace(other, scores=None, confidence=None)


def _case(source: Scored, target: Scored, dataset: str, split: str, config: ForecastConfig) -> tuple[Case, list[str]]:
    options = ForecastOptions(config.seed, config.replicates)
    made, left_out = forecasts(source, target, config.methods, options)
    return Case(source.model, dataset, split, made, truth(target)), left_out


def _report(folder: RunFolder, cases: Sequence[Case], notes: Sequence[str]) -> Report:
    results = [result for case in cases for result in _results(case)]
    told = [f"{case.model}: {one.name}: {one.sentence}" for case in cases for one in case.made]
    few = len(cases) <= TOLD
    lines = [*(told if few else []), *_errors(cases), *dict.fromkeys(note for note in notes if note), CAVEAT]
    return folder.finish(results, _tables(cases), lines)


def _results(case: Case) -> list[Result]:
    place = {"dataset": case.dataset, "split": case.split, "model": case.model}
    rows = []
    if case.found:
        value, low, high, n = case.found
        rows.append(Result(**place, metric="accuracy", value=value, low=low, high=high, n=n))
    for one in case.made:
        metric, value = f"forecast_{one.name.replace('-', '_')}", _number(one.value)
        rows.append(Result(**place, metric=metric, value=value, low=one.low, high=one.high, n=one.n))
        if case.found and value is not None:
            error = backtested(one, case.found)
            rows.append(Result(**place, metric=f"{metric}_error", value=error, n=case.found.n))
    return rows


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def _tables(cases: Sequence[Case]) -> list[Table]:
    """For each target, a row for each model and method."""
    tables = []
    for name in dict.fromkeys(_name(case) for case in cases):
        here = [case for case in cases if _name(case) == name]
        labels = any(case.found for case in here)
        columns = ["model", "method", "forecast", "95 % interval", *(["labels say", "error, points"] if labels else [])]
        rows = [_row(case, one, labels=labels) for case in here for one in case.made]
        tables.append(Table(f"Accuracy on {name}, forecast without its labels", columns, rows))
    return tables


def _row(case: Case, one: Forecast, *, labels: bool) -> list[str | None]:
    value = _number(one.value)
    interval = None if one.low is None else f"{one.low:.2%} - {one.high:.2%}"
    row = [case.model, one.name, None if value is None else f"{value:.2%}", interval]
    if not labels:
        return row
    error = f"{100 * backtested(one, case.found):+.2f}" if case.found and value is not None else None
    return [*row, f"{case.found.value:.2%}" if case.found else None, error]


def _name(case: Case) -> str:
    return f"{case.dataset}/{case.split}" if case.split else case.dataset


def _errors(cases: Sequence[Case]) -> list[str]:
    """For each target with labels, the truth; over several models, each method's mean absolute error."""
    lines = []
    for name in dict.fromkeys(_name(case) for case in cases if case.found):
        here = [case for case in cases if _name(case) == name and case.found]
        if len(here) == 1:
            lines.append(f"{here[0].model}: labels of {name} say {shown(*here[0].found[:3])}")
            continue
        errors: dict[str, list[float]] = {}
        for case in here:
            for one in case.made:
                errors.setdefault(one.name, []).append(abs(backtested(one, case.found)))
        told = [(method, [e for e in found if not np.isnan(e)]) for method, found in errors.items()]
        each = ", ".join(f"{method} {100 * np.mean(found):.2f}" for method, found in told if found)
        if each:
            lines.append(f"mean absolute error on {name} over {len(here)} models, in points: {each}")
    return lines


def _record(one: Candidate) -> Input:
    with (one.place / MODEL).open_input() as file:
        decisive = [digest_file(file), one.model.rule.kind, one.model.rule.settings(), one.model.normalised]
    return Input(place=str(one.place), config_hash=digest_json(decisive), rows=one.model.details.get("rows", 0))


def _file(place: Location, rows: int) -> Input:
    if place.is_folder():
        return Input(place=str(place), config_hash=digest_json(place.names()), rows=rows)
    with place.open_input() as file:
        return Input(place=str(place), config_hash=digest_file(file), rows=rows)

"""`gap`: options, and the two ways in: predictions from files, or a run and two stored sets."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.evaluation.models import as_stored, find_features, model_in
from gapscope.evaluation.stored import check_features, classes_of, evaluate, title_of_model
from gapscope.gaps.labels import ValidLabels, read_labels
from gapscope.gaps.ledger import ledger
from gapscope.gaps.pairs import confusion_pairs
from gapscope.jobs.gap.config import GapConfig
from gapscope.jobs.gap.features import features_of
from gapscope.jobs.gap.found import NOTHING, Features, Found, StoredSet
from gapscope.jobs.gap.written import finished
from gapscope.jobs.reported import reported
from gapscope.predictions import Predictions, models_in, read_predictions
from gapscope.predictions.matched import with_classes_of_both
from gapscope.probes.model import MODEL, Classifier
from gapscope.runs.connection import connected
from gapscope.runs.folder import MODELS, PREDICTIONS, RunFolder, input_of, opened
from gapscope.runs.result import RunResult
from gapscope.runs.selection import Chosen
from gapscope.schemas.run import Input
from gapscope.store import EmbeddingStore
from gapscope.store.comparable import Relabelled, check_comparable
from gapscope.store.selected import Selected
from gapscope.store.workspace import slug
from gapscope.stream import Workers, each

JOB = "gap"
SIDES = ("reference", "target")
PARTS = ("domain", "features", "reasons", "repairs")


def run(config: GapConfig, progress: Progress = SILENT) -> RunResult:
    """Compute all that the input allows, write it, tell it."""
    _check(config)
    work = _from_run if config.run else _from_files
    return reported(work(config, Location.of(config.workspace).absolute(), progress), wanted=config.report)


def _check(config: GapConfig) -> None:
    stored = [name for name in SIDES if getattr(config, name)]
    files = [name for name in ("predictions_reference", "predictions_target") if getattr(config, name)]
    for part in config.skip:
        if part not in PARTS:
            raise unknown_name("part to skip", part, PARTS)
    if config.run and (len(stored) < 2 or files):
        raise InputError("a run needs --reference and --target as dataset/split, and no files of predictions")
    if not config.run and (len(files) < 2 or stored):
        raise InputError(
            "name a run with --reference and --target as dataset/split, or --predictions-reference and "
            "--predictions-target without them"
        )
    if len(config.labels) > 2 or len(config.predictions_labels) not in (0, 2):
        raise InputError("--labels takes a file or two, --predictions-labels one for each side")
    if config.replicates < 20:
        raise InputError(f"--replicates {config.replicates} is too few for an interval; give 20 or more, such as 200")


def _from_files(config: GapConfig, workspace: Location, progress: Progress) -> RunResult:
    places = (config.predictions_reference, config.predictions_target)
    extra = config.predictions_labels or ("", "")
    model = config.model or _only_model(places[0])
    sides = with_classes_of_both(
        *(read_predictions(place, model=model, labels=labels) for place, labels in zip(places, extra, strict=True))
    )
    chosen = Chosen.by(config)
    sides, notes = chosen.of_both(sides)
    name = slug(config.name or f"{model or sides[0].model}-{sides[0].name}-{sides[1].name}")
    with opened(workspace, JOB, name, config, [*map(_input, places), *chosen.inputs]) as made:
        progress.say(f"{sides[0].n:,} and {sides[1].n:,} predictions of {sides[0].model}")
        with made.timed("ledger"):
            found = _found(config, sides, _labels(config, sides[0].class_names))
        return finished(replace(found, notes=tuple(notes)), made)


def _only_model(place: str) -> str:
    several = models_in(place)
    if len(several) > 1:
        raise InputError(f"{place} has the predictions of {len(several)} models; choose one with --model: "
                         f"{', '.join(several)}")  # fmt: skip
    return several[0] if several else ""


def _input(place: str) -> Input:
    return Input(place=place, config_hash="", rows=0)


def _labels(config: GapConfig, names: Sequence[str]) -> tuple[ValidLabels | None, ValidLabels | None]:
    if not config.labels:
        return None, None
    found = [read_labels(place, names) for place in config.labels]
    return found[0], found[-1]


def _found(
    config: GapConfig, sides: tuple[Predictions, Predictions], labels: tuple, features: Features = NOTHING
) -> Found:
    domain = None if features.domain is None else (features.domain.reference, features.domain.target)
    odds = features.mix_odds
    account = ledger(
        *sides, domain=domain, mix_odds=odds, labels=labels, replicates=config.replicates, seed=config.seed
    )
    return Found(sides, account, confusion_pairs(*sides), features)


def _from_run(config: GapConfig, workspace: Location, progress: Progress) -> RunResult:
    model, folder, whole = _model_and_stores(config, workspace)
    chosen = Chosen.by(config)
    stores = chosen.of_stores(whole)
    check_comparable(*stores)
    for store in stores:
        check_features(model, store)
    name = slug(config.name or f"{folder.name}-{config.reference}-{config.target}")
    inputs = [Input(place=str(folder), config_hash="", rows=model.details.get("rows", 0)), *map(input_of, stores)]
    inputs += chosen.inputs
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as made:
        sides = [_set(model, folder, store, made, workers, progress) for store in stores]
        labels = _labels(config, model.class_names)
        features, notes = features_of(config, model, sides, made, workers, progress)
        with made.timed("ledger"):
            found = _found(config, tuple(side.predictions for side in sides), labels, features)
        return finished(Found(found.sides, found.ledger, found.pairs, features, (*chosen.notes(stores), *notes)), made)


def _model_and_stores(config: GapConfig, workspace: Location) -> tuple[Classifier, Location, list[EmbeddingStore]]:
    """The model, its folder, and both sets as features that it understands."""
    folder = _model_folder(config)
    model = model_in(folder)
    backbone = config.backbone or model.features.get("backbone", "")
    stores = [find_features(workspace, getattr(config, side), backbone, f"--{side}") for side in SIDES]
    return as_stored(model, stores[0]), folder, stores


def _model_folder(config: GapConfig) -> Location:
    """The folder of the model: the run's own, or one below its models/."""
    folder = Location.of(config.run).absolute()
    several = (folder / MODELS).names()
    if several and not config.model:
        raise InputError(f"{folder} holds several models; choose one with --model: {', '.join(several)}")
    if several and config.model not in several:
        raise unknown_name(f"model in {folder}", config.model, several)
    if several:
        return folder / MODELS / config.model
    if not (folder / MODEL).exists() and (folder / "manifest.json").exists():
        read = read_json(folder / "manifest.json")["config"].get("model")
        return Location.of(read).absolute() if isinstance(read, str) and read else folder
    return folder


def _set(
    model: Classifier,
    folder: Location,
    store: EmbeddingStore | Selected,
    made: RunFolder,
    workers: Workers,
    progress: Progress,
) -> StoredSet:
    """The rows of a store with the model's answers: those of the run, or new ones where it has none for these rows."""
    index, _ = classes_of(model, store)
    view = Relabelled(store, index, list(model.class_names)).view()
    known = each(view, _identities, workers, progress=progress, description=f"labels of {store.name}")
    sample_id, label = (np.concatenate(column) for column in zip(*known, strict=True)) if known else (np.empty(0), [])
    title = title_of_model(model)
    source = store.provenance
    place = PREDICTIONS + "/" + slug(f"{source.dataset}-{source.split}")
    for base in (folder, made.place):
        if base == made.place:
            with made.timed(f"predict {store.name}"):
                evaluate(model, title, store, made.place, workers, progress)
        if (base / place).is_folder():
            names = {"dataset": source.dataset, "split": source.split, "class_names": model.class_names}
            found = _in_order(read_predictions(str(base / place), model=title, **names), sample_id)
            if found is not None and np.array_equal(found.label, label):
                return StoredSet(store, view, found)
    raise InputError(f"{store.name} changed while it was read; run the command again")


def _in_order(found: Predictions, sample_id: np.ndarray) -> Predictions | None:
    """The predictions in the order of the rows ``sample_id : (n,)``; None where one has none.

    Those of a network stand in the order of the images, the rows of a store are shuffled, or some of them.
    """
    order = np.argsort(found.sample_id, kind="stable")
    place = np.searchsorted(found.sample_id[order], sample_id)
    if not found.n or (place == found.n).any() or not np.array_equal(found.sample_id[order[place]], sample_id):
        return None
    return found.rows(order[place])


def _identities(_index: int, chunk: Chunk) -> tuple[np.ndarray, np.ndarray]:
    return chunk.sample_id, chunk.y

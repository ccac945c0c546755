"""`import-predictions`: what a model elsewhere has said of stored images, joined to them as a run of its own."""

from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import DATA, configuration, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gapscope.predictions import Predictions
    from gapscope.runs.result import RunResult
    from gapscope.schemas.results import Result
    from gapscope.store import EmbeddingStore

JOB = "import-predictions"


@configuration
class ImportPredictionsConfig(options.Made):
    """Join predictions of a model that was trained elsewhere to stored images, as a run like any other.

    A file for each set, or one for all; several models in a file become several of the run. Rows are matched by the
    names of the images, as they are stored or by ends of their paths, or by a column sample_id; rows without names only
    where all labels agree in their order. Then `evaluate`, `compare`, `gate`, `gap`, `forecast`, `label-queue`,
    `budget`, `verify-labels`, `explain` and `explore` take the run; features come from `extract` or `import-features`,
    of any backbone. What needs the model itself (`repair`, `predict`) needs a head of `fit-incremental`.

    python cli.py import-predictions val.csv --dataset photos/val
    python cli.py import-predictions val.npz new.npz --dataset photos/val new/test --name resnet50
    python cli.py import-predictions scores.npy --names files.txt --dataset photos/val
    """

    predictions: options.PredictionFiles = field(default=(), kw_only=False)
    dataset: options.DatasetNames = ()
    split: options.Split = "test"
    model: options.ModelNames = ()
    labels: options.LabelFiles = ()
    names: options.NameFiles = ()
    classes: options.ClassList = None
    partial: Annotated[bool, option("Go on where some images have no prediction, without them.", DATA, negative="")] = (
        False
    )
    backbone: options.Backbone = ""
    memory: options.Memory = "2GB"


def run(config: ImportPredictionsConfig, progress: Progress = SILENT) -> "RunResult":
    """Join, write, and measure where there are labels."""
    from gapscope.core.files import write_json
    from gapscope.core.hashing import digest_json
    from gapscope.core.location import Location
    from gapscope.evaluation.joined_page import JOIN, page
    from gapscope.evaluation.memory import check_joining
    from gapscope.evaluation.recorded import describe, keep, models_of_files, with_common_classes
    from gapscope.runs.folder import input_of, opened
    from gapscope.runs.inputs import input_of_file, stem
    from gapscope.runs.run import MODELS
    from gapscope.store.workspace import find_store, named_set, slug

    _check(config)
    workspace = Location.of(config.workspace).absolute()
    sets = [named_set(workspace, name, config.split) for name in config.dataset]
    stores = [find_store(workspace, *one, config.backbone) for one in sets]
    places = [Location.of(place) for place in config.predictions]
    check_joining(places, stores, config.memory)
    progress.say(f"reading {', '.join(config.predictions)}")
    files = [_read(config, at) for at in range(len(places))]
    title = config.name or stem(places[0])
    models = models_of_files(files, title, config.model)
    records = [input_of_file(place, place, file[0].n) for place, file in zip(places, files, strict=True)]
    digest = digest_json([one.config_hash for one in records])
    config = replace(config, dataset=tuple(map(str, sets)), split="")
    with opened(workspace, JOB, slug(title), config, [*records, *map(input_of, stores)]) as made:
        results: list[Result] = []
        how: list[str] = []
        notes: list[str] = []
        for model, given in models.items():
            with made.timed(f"join {model}"):
                sides, said = _joined(config, given, stores)
            folder = made.place / MODELS / model if len(models) > 1 else made.place
            sides = with_common_classes([replace(one, model=model) for one in sides])
            describe(folder, model, sides[0].class_names, digest, stores[0])
            how += said
            for one, store in zip(sides, stores, strict=True):
                keep(one, store, folder, digest)
                rows, more = _measured(one)
                results, notes = results + rows, notes + more
        write_json(made.place / f"{JOIN}.json", how)
        return made.finish(results, notes=notes, page=page)


def _check(config: ImportPredictionsConfig) -> None:
    """Refuse options that do not go together."""
    files = len(config.predictions)
    if not files or not config.dataset:
        raise InputError("name a file of predictions, and with --dataset the stored set that its images are of")
    if files not in (1, len(config.dataset)):
        raise InputError(
            f"{files} files and {len(config.dataset)} sets: give a file for each set, in the order of --dataset, or "
            "one file for all"
        )
    for option_name, given in (("--labels", config.labels), ("--names", config.names)):
        if len(given) not in (0, files):
            raise InputError(f"{option_name} names {len(given)} files for {files} files of predictions; give one each")


def _read(config: ImportPredictionsConfig, at: int) -> "list[Predictions]":
    """All models of a file, whose images are known by the names of --names where it has none."""
    from gapscope.data.classes import ClassMap, read_classes
    from gapscope.evaluation.recorded import read_names
    from gapscope.predictions.names import are_numbers
    from gapscope.predictions.read import read_all_models

    classes = read_classes(config.classes) if config.classes else ClassMap([])
    labels = config.labels[at] if config.labels else ""
    read = partial(read_all_models, config.predictions[at], labels=labels, bare=True)
    if classes.numbers and any(one.scores is None and are_numbers(one.class_names) for one in read()):
        raise InputError(
            f"{config.classes} numbers its classes {classes.numbers[0]} to {classes.numbers[-1]}, and the answers of "
            f"{config.predictions[at]} are numbers, which count from 0; write names there, or a list that counts from 0"
        )
    models = read(class_names=tuple(classes.names))
    return [read_names(config.names[at], one) for one in models] if config.names else models


def _joined(
    config: ImportPredictionsConfig, given: "Sequence[Predictions]", stores: "Sequence[EmbeddingStore]"
) -> "tuple[list[Predictions], list[str]]":
    """The predictions of one model for each set, and what has to be said of its files."""
    from gapscope.evaluation.joined import joined, left_over
    from gapscope.evaluation.recorded import as_named
    from gapscope.predictions.read import identity_in

    places = [config.predictions[min(at, len(config.predictions) - 1)] for at in range(len(stores))]
    sides = [given[min(at, len(given) - 1)] for at in range(len(stores))]
    whole = [
        joined(as_named(one, store), store, identity_in(place), partial=config.partial, named=bool(config.classes))
        for one, store, place in zip(sides, stores, places, strict=True)
    ]
    notes = [note for one in whole for note in one.notes]
    by_file = [whole] if len(given) == 1 else [[one] for one in whole]
    return [one.predictions for one in whole], [*notes, *filter(None, map(left_over, given, by_file))]


def _measured(one: "Predictions") -> "tuple[list[Result], list[str]]":
    """Metrics of predictions that have labels, and what has to be known to read them."""
    from gapscope.evaluation import measure
    from gapscope.evaluation.copies import predicted_once
    from gapscope.evaluation.measurement import counts_of, named_by_depth, notes_of

    if not one.known.any():
        return [], [f"{one.name} has no labels; its {one.n:,} predictions were not measured."]
    (one,), copies = predicted_once([one])
    counts = counts_of(one)
    results = measure(counts, one.dataset, one.split, one.model, one.class_names)
    results = named_by_depth(results, one.top.shape[1])
    return results, [*copies, *notes_of(one, results, counts)]

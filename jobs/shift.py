"""`shift`: how far stored sets are apart, and which features and classes moved."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from gapscope.core.budget import parse_bytes
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import METHOD, configuration, data_root, option
from gapscope.shifts import SHIFTS

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.probes.model import Classifier
    from gapscope.runs.folder import RunFolder
    from gapscope.runs.result import RunResult
    from gapscope.runs.selection import Chosen
    from gapscope.store import EmbeddingStore, View
    from gapscope.store.selected import Selected
    from gapscope.stream import Workers


JOB = "shift"
# Share of --memory that ranks may take, which are exact if both sets fit.
EXACT_SHARE = 4


@configuration
class ShiftConfig(options.Subset, options.OnWorkers, options.Reported):
    """Measure how far apart stored sets are, and which differences matter.

    Each set is read once for all summaries; statistics that need ranks, neighbours or a trained classifier read
    again. Every p-value has the size of the effect beside it: of a million rows, everything is significant. With
    several targets, a matrix of distances between all sets. Attributes of the images and columns of your own are
    compared where the stores have them. A model, of a network too, tells how the shares of the classes moved from its
    predictions; rows of the reference should not have trained it.

    python cli.py shift --reference imagenet/val --target imagenetv2/test
    python cli.py shift --reference cifar10/train --target cifar10/test cifar10-night/test --exclude-slow
    python cli.py shift --reference cifar10/test --target photos/all --statistics moments mmd
    python cli.py shift --reference cifar10/test --target photos/all --model fit-incremental-cifar10-softmax
    """

    reference: options.Reference
    target: options.Targets
    statistics: Annotated[
        tuple[Literal["moments", "marginal", "sliced", "mmd", "frechet", "prdc", "classifier"], ...],
        option("Which statistics; all when not given.", METHOD),
    ] = ()
    exclude_slow: Annotated[bool, option("Leave out the statistics that read the sets again.", METHOD)] = False
    model: options.ModelName = ""
    correction: Annotated[
        Literal["bh", "by", "holm", "bonferroni"],
        option("For many tests at once: Benjamini-Hochberg, Benjamini-Yekutieli, Holm or Bonferroni.", METHOD),
    ] = "bh"
    neighbours: options.Neighbours = 5
    neighbour_rows: Annotated[
        int,
        option(
            "Of each set, at most, in precision, recall, density and coverage; twice as many take four times as long.",
            METHOD,
        ),
    ] = 10_000
    replicates: options.Replicates = 200
    backbone: options.Backbone = ""


class Sets(NamedTuple):
    """The stores, the reference first, their rows with the reference's class indices, the images chosen of them, and
    the model that reads them, if one was named, and what is to be said of copies that count.
    """

    stores: "list[EmbeddingStore | Selected]"
    views: "list[View]"
    chosen: "Chosen"
    model: "Classifier | None"
    repeated: list[str]


def run(config: ShiftConfig, progress: Progress = SILENT) -> "RunResult":
    """Read every set once, compare each target with the reference."""
    from gapscope.core.location import Location
    from gapscope.reports.write import reported
    from gapscope.runs.connection import check_worker_memory, connected
    from gapscope.runs.folder import input_of, opened
    from gapscope.shifts.memory import check_memory
    from gapscope.store.workspace import slug

    names = _statistics(config)
    workspace = Location.of(config.workspace).absolute()
    sets = _sets(workspace, config)
    reference = sets.stores[0]
    size = ([store.rows for store in sets.stores], reference.dim, len(reference.class_names))
    needed = check_memory(names, *size, allowed=config.memory, threads=config.threads)
    name = slug(config.name or "-".join([config.reference, *config.target]))
    inputs = [*map(input_of, sets.stores), *sets.chosen.inputs]
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as made:
        check_worker_memory(workers, needed, "summarising a set")
        done = _measured(config, names, sets, made, workers, progress)
    return reported(done, wanted=config.report, data_root=data_root())


def _statistics(config: ShiftConfig) -> list[str]:
    """Names in `SHIFTS`, those that read the sets again last."""
    from gapscope.inference.multiplicity import CORRECTIONS

    if config.correction not in CORRECTIONS:
        raise unknown_name("correction", config.correction, CORRECTIONS)
    if not config.target:
        raise InputError("no target to compare; name at least one set with --target dataset/split")
    for number in ("neighbours", "neighbour_rows", "replicates"):
        if getattr(config, number) < 1:
            named = number.replace("_", "-")
            raise InputError(f"--{named} is {getattr(config, number)}; give 1 or more")
    names = list(dict.fromkeys(config.statistics or SHIFTS))
    slow = {name: SHIFTS[name].needs_rows for name in names}
    chosen = [name for name in sorted(names, key=slow.get) if not (config.exclude_slow and slow[name])]
    if not chosen:
        raise InputError(f"--exclude-slow leaves nothing of {', '.join(names)}; add a statistic such as moments")
    return chosen


def _sets(workspace: "Location", config: ShiftConfig) -> Sets:
    """The stores that the options name, checked to have the same kind of features and classes."""
    from gapscope.evaluation.copies import once
    from gapscope.evaluation.models import as_stored, find_features, model_in
    from gapscope.evaluation.stored import check_features
    from gapscope.runs.inputs import folder_of_model
    from gapscope.runs.run import find_run
    from gapscope.runs.selection import Chosen
    from gapscope.store.comparable import comparable_view

    folder = str(find_run(workspace, config.model)) if config.model else ""
    model = model_in(folder_of_model(folder)) if folder else None
    wanted = config.backbone or (model.features.get("backbone", "") if model else "")
    reference = find_features(workspace, config.reference, wanted, "--reference")
    backbone = reference.provenance.backbone
    targets = [find_features(workspace, name, backbone, "--target") for name in dict.fromkeys(config.target)]
    chosen = Chosen.by(config)
    stores, repeated = zip(*map(once, chosen.of_stores([reference, *targets])), strict=True)
    views = [stores[0].view(), *(comparable_view(stores[0], target) for target in stores[1:])]
    model = model and as_stored(model, stores[0])
    for store in stores if model else ():
        check_features(model, store)
    return Sets(list(stores), views, chosen, model, list(filter(None, repeated)))


def _measured(
    config: ShiftConfig, names: Sequence[str], sets: Sets, made: "RunFolder", workers: "Workers", progress: Progress
) -> "RunResult":
    from gapscope.shifts.battery import Battery, ShiftOptions
    from gapscope.shifts.images import compare_images, image_results, write_images
    from gapscope.shifts.page import page
    from gapscope.shifts.record import compare_target, results_of, write, write_matrix
    from gapscope.store.comparable import check_comparable, numbered

    exact = parse_bytes(config.memory) // EXACT_SHARE
    options = ShiftOptions(
        config.seed, config.replicates, config.neighbours, config.neighbour_rows, config.correction, exact
    )
    with made.timed("read"):
        battery = Battery.read(sets.views, names, options, workers, progress)
    reference, *targets = sets.stores
    shifts = [compare_target(battery, index, store, made, progress) for index, store in enumerate(targets, 1)]
    notes = _notes(sets)
    labels = [numbered(check_comparable(reference, store), store) for store in sets.stores]
    mixes = zip(shifts, labels[1:], strict=True)
    shifts = [one.with_class_mix(labels[0], label, reference.class_names) for one, label in mixes]
    if sets.model:
        with made.timed("label shift"):
            shifts, missing = _with_label_shift(config, sets, shifts, workers, progress)
        notes += missing
    with made.timed("attributes"):
        moved, missing = compare_images(sets.stores)
    notes += missing
    if len(targets) > 1:
        write_matrix(battery, made, progress)
    shifts = [one.with_class_names(reference.class_names) for one in shifts]
    write(made, reference.name, reference.rows, shifts)
    write_images(made, moved)
    results = [result for one in shifts for result in results_of(reference.name, one)]
    results += image_results(reference.name, moved)
    return made.finish(results, notes=notes, page=page)


def _with_label_shift(config: ShiftConfig, sets: Sets, shifts: list, workers: "Workers", progress: Progress):
    """The shifts with those of the class shares; a sentence where the reference has no labels."""
    from gapscope.evaluation.stored import classes_of
    from gapscope.evaluation.top_predictions import top_predictions
    from gapscope.shifts.label_shift import label_shift

    model, classes = sets.model, tuple(sets.model.class_names)
    reference, *targets = [
        top_predictions(model, model.name, classes, store.view(), classes_of(model, store)[0], workers, progress)
        for store in sets.stores
    ]
    if not reference.known.any():
        return shifts, [f"{sets.stores[0].name} has no labels, which the shift of the class shares needs."]
    moved = [label_shift(reference, one, replicates=config.replicates, seed=config.seed) for one in targets]
    names = sets.stores[0].class_names
    return [one.with_label_shift(shift, names) for one, shift in zip(shifts, moved, strict=True)], []


def _notes(sets: Sets) -> list[str]:
    """What has to be said about the rows and their labels."""
    nameless = [
        f"{view.store.name} has no class names, so its classes were not compared."
        for view, store in zip(sets.views, sets.stores, strict=True)
        if not view.store.class_names or not store.class_names
    ]
    return [*sets.chosen.notes(sets.stores), *nameless, *sets.repeated]

"""`explain`: what happened to the images of a set, named in words and proven by doing it to the reference."""

from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import METHOD, configuration, data_root, option

if TYPE_CHECKING:
    import numpy as np

    from gapscope import stream
    from gapscope.causes.analysis import Analysis
    from gapscope.causes.compared import Compared
    from gapscope.causes.features import Features
    from gapscope.causes.samples import Images, Sample
    from gapscope.core.location import Location
    from gapscope.probes.model import Classifier
    from gapscope.runs.folder import RunFolder
    from gapscope.runs.result import RunResult
    from gapscope.schemas.run import Input
    from gapscope.store import EmbeddingStore
    from gapscope.store.selected import Selected

JOB = "explain"


@configuration
class ExplainConfig(options.OnWorkers, options.Reported):
    """Name what happened to the images of a set, and prove it: the cause is applied to images of the reference, and
    the loss comes back.

    Candidates are all modifications at all severities, and functions of your own. They are applied to a sample of the
    reference's images, which go through the backbone of the store. Causes are ranked by the share of the distance to
    the target that they explain, chosen by one half of the images, and what they explain is said of the other. Where
    the distance may be chance, or no cause explains two thirds of it, it says so. A killed run continues. Of imported
    features, which have no images, it says what happened to the features. With 500 images and a MobileNet, a few
    minutes on two cores.

    python cli.py explain fit-incremental-cifar10-softmax --reference cifar10/test --target night/test
    python cli.py explain RUN --reference photos/test --target new/test --images 200 --candidates rules:dust
    """

    run: options.Run = field(default="", kw_only=False)
    reference: options.Reference = ""
    target: options.Target = ""
    images: Annotated[int, option("Images of each set that are looked at, of every class its share.", METHOD)] = 500
    candidates: Annotated[
        tuple[str, ...],
        option("Functions of your own beside the modifications, as module:function(image, severity, rng).", METHOD),
    ] = ()
    model: options.ModelName = ""
    backbone: options.Backbone = ""
    weights: options.Weights = ""
    device: options.Device = "auto"


class Sides(NamedTuple):
    """The two stored sets, the model's class index of every row of each, and the model, where a run was named, with the
    stored sets that it was trained on.
    """

    stores: "tuple[EmbeddingStore, EmbeddingStore]"
    labels: "list[np.ndarray]"
    model: "Classifier | None"
    inputs: "list[Input]"
    notes: list[str]
    trained: "tuple[EmbeddingStore | Selected, ...]" = ()


def run(config: ExplainConfig, progress: Progress = SILENT) -> "RunResult":
    """Look for the cause, apply it, and write what was found."""
    from gapscope.causes.analysis import analyse
    from gapscope.causes.candidates import causes
    from gapscope.causes.compared import samples_of
    from gapscope.causes.page import CURES
    from gapscope.core.files import write_json
    from gapscope.core.location import Location
    from gapscope.cures.trials import cures
    from gapscope.reports.write import reported
    from gapscope.runs.connection import connected
    from gapscope.runs.folder import opened
    from gapscope.store.workspace import slug

    if not (config.reference and config.target):
        raise InputError("explain needs two sets; name them with --reference and --target as dataset/split")
    known = causes(config.candidates)
    workspace = Location.of(config.workspace).absolute()
    sides = _sides(config, workspace)
    compared = samples_of(sides.stores, sides.labels, config.images, config.seed)
    sides.notes.extend(compared.notes)
    words = [Location.of(config.run).name] if config.run else []
    name = slug(config.name or "-".join([*words, config.reference, config.target]))
    if sides.stores[0].provenance.is_imported:
        return _of_features(config, sides, compared, workspace, name, progress)
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, sides.inputs) as made:
        with made.timed("images"):
            features = _features(config, sides, compared.reference, workers, made, progress)
            images, note = _target_images(sides, compared.target, features, progress)
        with made.timed("causes"):
            analysis = analyse(features, compared.target, images.seen if images else None, known, sides.model)
        sides.notes.append(note)
        if sides.model and images:
            with made.timed("remedies"):
                progress.say("trying remedies on the sample")
                helps = cures(analysis, features, images, sides.model)
            write_json(made.place / f"{CURES}.json", [one.as_json() for one in helps])
        done = _finished(sides, analysis, features, images, made)
    return reported(done, wanted=config.report, data_root=data_root())


def _of_features(
    config: ExplainConfig,
    sides: Sides,
    compared: "Compared",
    workspace: "Location",
    name: str,
    progress: Progress,
) -> "RunResult":
    """What happened to features that were imported, without images.

    Raises
    ------
    InputError
        There are functions of images among the candidates.
    """
    from gapscope.causes.feature_analysis import analyse_features
    from gapscope.causes.feature_page import page
    from gapscope.causes.feature_record import results_of, write
    from gapscope.causes.record import write_reproduced
    from gapscope.probes.rules.linear import Linear
    from gapscope.reports.write import reported
    from gapscope.runs.folder import opened

    if config.candidates:
        raise InputError(
            f"{sides.stores[0].name} was imported as features, and --candidates are functions of images; leave them "
            "out, or `extract` the images"
        )
    title = sides.model.name if sides.model else ""
    with opened(workspace, JOB, name, config, sides.inputs) as made:
        with made.timed("causes"):
            analysis = analyse_features(compared.reference, compared.target, sides.model, config.seed, progress)
        linear = sides.model is not None and isinstance(sides.model.rule, Linear)
        write(analysis, [store.rows for store in sides.stores], title, made, linear=linear)
        if analysis.named and analysis.after is not None:
            names = sides.model.class_names if sides.model else sides.stores[0].class_names
            target = analysis.target.set
            write_reproduced(analysis.reference, target, analysis.after, analysis.named.name, names, made)
        done = made.finish(results_of(analysis, title), notes=sides.notes, page=page)
    return reported(done, wanted=config.report, data_root=data_root())


def _sides(config: ExplainConfig, workspace: "Location") -> Sides:
    from gapscope.causes.memory import check_memory
    from gapscope.evaluation.models import find_features
    from gapscope.evaluation.opened import open_model
    from gapscope.evaluation.training_sets import TrainingSets
    from gapscope.probes.model import RECORDED
    from gapscope.runs.folder import input_of
    from gapscope.store.comparable import check_comparable, numbered

    limits = {"images": config.images, "own": len(config.candidates), "threads": config.threads}
    check = partial(check_memory, allowed=config.memory, **limits)
    if not config.run:
        reference = find_features(workspace, config.reference, config.backbone, "--reference")
        target = find_features(workspace, config.target, reference.provenance.backbone, "--target")
        check((reference, target))
        labels = [reference.labels(), numbered(check_comparable(reference, target), target)]
        return Sides((reference, target), labels, None, [input_of(reference), input_of(target)], [])
    named = {"--reference": config.reference, "--target": config.target}
    both = open_model(workspace, config.run, named, model=config.model, backbone=config.backbone, alone=True)
    folder, model, (reference, target), _ = both
    check((reference, target))
    if model.rule.kind == RECORDED:
        labels = [reference.labels(), numbered(check_comparable(reference, target), target)]
        note = f"Of {model.name} predictions alone are known, so that its accuracy under a cause is not."
        return Sides((reference, target), labels, None, both.inputs(), [note])
    training = TrainingSets(folder)
    notes = training.check_reference(model.name, reference, target, force=True)
    labels, missing = zip(*(_classes(model, store) for store in (reference, target)), strict=True)
    said = [*notes, *filter(None, missing)]
    return Sides((reference, target), list(labels), model, both.inputs(), said, tuple(training.stores))


def _classes(model: "Classifier", store: "EmbeddingStore") -> tuple["np.ndarray", str]:
    """The model's class index of every row, -1 where the store has other classes, and a sentence then."""
    from gapscope.evaluation.stored import classes_of
    from gapscope.store.comparable import numbered

    try:
        return numbered(classes_of(model, store)[0], store), ""
    except InputError as error:
        return numbered((), store), f"The labels of {store.name} are not used, because {error}."


def _features(
    config: ExplainConfig,
    sides: Sides,
    reference: "Sample",
    workers: "stream.Workers",
    made: "RunFolder",
    progress: Progress,
) -> "Features":
    """The backbone with the reference's images in memory."""
    from gapscope.causes.features import Elsewhere, Features
    from gapscope.causes.samples import opening_of, read_images, side_of
    from gapscope.replay import choice_of
    from gapscope.runs.run import CHECKPOINT

    store = sides.stores[0]
    opening = opening_of(store, data_root())
    choice = choice_of(store.provenance, config.weights, config.device, typed=config.backbone)
    backbone = choice.load()
    side = side_of(backbone)
    images = read_images(opening.source(), reference, backbone, progress)
    identity = f"{store.manifest.config_hash} {store.digest} {config.images} {config.seed}"
    elsewhere = None if workers.shares_memory else Elsewhere(workers, opening, choice, config.candidates, side)
    place = made.place / CHECKPOINT
    return Features(backbone, reference, images, config.seed, place, identity, progress, elsewhere)


def _target_images(
    sides: Sides, target: "Sample", features: "Features", progress: Progress
) -> "tuple[Images | None, str]":
    """The target's images; a sentence instead where they are not there."""
    from gapscope.causes.samples import opening_of, read_images

    try:
        source = opening_of(sides.stores[1], data_root()).source()
        return read_images(source, target, features.backbone, progress), ""
    except GapscopeError as error:
        return None, (
            "Causes are looked for by the features alone, which see less, and the target's images are neither "
            f"measured nor shown, because {error}."
        )


def _finished(
    sides: Sides, analysis: "Analysis", features: "Features", images: "Images | None", made: "RunFolder"
) -> "RunResult":
    """Write findings, attributes and images."""
    from gapscope.attributes.moved import moved_attributes
    from gapscope.causes.page import PICTURE, page
    from gapscope.causes.picture import columns
    from gapscope.causes.record import results_of, write, write_reproduced
    from gapscope.runs.run import CHECKPOINT, FIGURES

    moved = moved_attributes(features.images.attributes, images.attributes) if images else []
    best = analysis.proofs[0] if analysis.proofs else None
    if images and best and best.is_named and best.explanation.main:
        png = columns(features, best.explanation.main, analysis.target, images)
        (made.place / FIGURES / f"{PICTURE}.png").write_bytes(png)
    title = sides.model.name if sides.model else ""
    write(analysis, sides.stores, moved, title, sides.trained, made)
    cause = analysis.proofs[0].explanation.main if analysis.proofs and analysis.proofs[0].is_named else None
    if cause:
        names = sides.model.class_names if sides.model else sides.stores[0].class_names
        x = features.of([cause], slice(0, len(analysis.reference.x)))[0][:, : analysis.reference.x.shape[1]]
        write_reproduced(analysis.reference, analysis.target.set, x, str(cause), names, made)
    (made.place / CHECKPOINT).delete_folder()
    return made.finish(results_of(analysis, title), notes=[note for note in sides.notes if note], page=page)

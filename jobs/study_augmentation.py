"""`study-augmentation`: what helps a small, imbalanced set, and whether synthetic images are part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.progress import SILENT, Progress
from gapscope.data.vocabulary import LABELLING
from gapscope.jobs import options, run_job
from gapscope.jobs.options import METHOD, MODEL, configuration, option

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult
    from gapscope.studies.augmentation.plan import Plan
    from gapscope.studies.augmentation.synthetic_sets import SyntheticSet

JOB = "study-augmentation"


@configuration
class StudyAugmentationConfig(options.NetworkTraining, options.ImageListing, options.OnWorkers, options.Reported):
    """Train one network on one split in many ways, and say what helps: weights, sampling, augmentation, new images.

    Every training is an ordinary run of `train-cnn`, every synthetic set one of `augment`, every last layer that is
    trained again on features one of `refit-head`. All trainings see about as many images, however large their set is.
    What is finished is not run again; killed and called again, the same command continues. Work goes on one after
    another, or side by side on the workers of a cluster.

    python cli.py study-augmentation PHOTOS --synthetic augment-only:to-max gan:to-max gan:2x --seeds 5
    python cli.py study-augmentation digits --rows 200 --remedies augmentation --synthetic cutmix:1x
    python cli.py study-augmentation PHOTOS --settings diffusion:steps=3000 --cluster local --workers 2
    """

    dataset: options.DatasetName = field(kw_only=False)
    synthetic: Annotated[tuple[str, ...], option("Synthetic sets, as method:balance of `augment`.", METHOD)] = (
        *("augment-only:to-max", "mixup-pixels:to-max", "gan:to-max", "diffusion:to-max"),
    )
    remedies: Annotated[
        tuple[str, ...],
        option(
            "Trainings without synthetic images: class-weights, balanced-sampler, augmentation, mixup, cutmix.", METHOD
        ),
    ] = ("class-weights", "balanced-sampler", "augmentation", "mixup", "cutmix")
    augment: options.Augment = ("flip", "crop:4")
    features: Annotated[
        tuple[str, ...],
        option(
            "Methods of `refit-head`, as method:balance where they make rows: the last layer of the networks that had "
            "nothing added is trained again, on their features alone (none, the control, which is always among them), "
            "with classes balanced (class-balanced), or with synthetic features (smote, gaussian, feature-diffusion).",
            METHOD,
        ),
    ] = ("none", "class-balanced", "smote:to-max", "gaussian:to-max")
    settings: options.Settings = ()
    synthetic_size: Annotated[
        int | None,
        option("Height and width at which trained generators work; that of the network when not given.", METHOD),
    ] = None
    surplus: options.Surplus = 1.5
    backbone: options.Backbone = ""
    backbone_weights: Annotated[
        str, option("Weights of the network that checks synthetic images: a file, or `random`.", MODEL)
    ] = ""
    backbone_args: options.BackboneArgs = ()
    rows: options.RowLimit = 0
    split: options.Split = "train"
    test_split: options.TestSplits = ("test",)
    validation: options.Validation = 0.1
    epochs: options.Epochs = 30
    keep: options.Keep = None
    seeds: options.Seeds = 5
    device: options.Device = "auto"
    out: options.Out = ""


# Options that its trainings have as well, and those of its runs of `augment`.
OF_TRAININGS = (
    *("split", "validation", "preset", "network", "image_size", "epochs", "batch_size", "optimizer", "weight_decay"),
    *("learning_rate", "schedule", "keep", "seeds", "seed", "device", "memory", "report", *LABELLING),
)
OF_SETS = (
    *("split", "validation", "surplus", "backbone", "backbone_args", "image_size"),
    *("seed", "device", "memory", *LABELLING),
)


def run(config: StudyAugmentationConfig, progress: Progress = SILENT) -> "RunResult":
    """Make the synthetic sets, trainings and last layers that are not there yet, then study all of it."""
    import numpy as np

    from gapscope.core.location import Location
    from gapscope.draw import png
    from gapscope.reports.write import reported
    from gapscope.runs.folder import opened
    from gapscope.store.workspace import slug
    from gapscope.studies.augmentation import read_predictions
    from gapscope.studies.augmentation.findings import findings
    from gapscope.studies.augmentation.page import page, title
    from gapscope.studies.augmentation.pictures import pictures
    from gapscope.studies.augmentation.plan import check_remedies, head_methods, heads_of, trainings_of
    from gapscope.studies.augmentation.synthetic_sets import contact_sheets, make_sets, settings_of
    from gapscope.studies.augmentation.tables import results, tables
    from gapscope.studies.saved import command_of, plain, write_page, write_study
    from gapscope.studies.trainings import Place, run_trainings

    check_remedies(config.remedies)
    methods, settings = head_methods(config.features), settings_of(config.settings)
    plan = plan_of(config)
    sets = sets_of(config, plan)
    plan.check_memory(1 + len(config.remedies) + 2 * len(sets) + len(methods))
    name = slug(config.name or f"{plan.dataset.name}-{config.preset or config.network or 'simple-cnn'}")
    place = Place(config.scheduler, config.cluster, config.workers, progress)
    with opened(Location.of(config.workspace).absolute(), JOB, name, config) as folder:
        with folder.timed("make images"):
            make_sets(sets, augment_all, place)
        trainings = trainings_of(plan, config.remedies, sets)
        with folder.timed("train"):
            run_trainings(trainings, train, place)
        heads = heads_of(plan, methods, trainings[0], settings, progress)
        with folder.timed("learn last layers"):
            run_trainings(heads, refit, place, "last layers")
        trainings += heads
        listing = plan.dataset.source(plan.split).listing
        counts = np.bincount(listing.labels[listing.labels >= 0], minlength=len(listing.class_names))
        predictions = read_predictions(trainings, plan.dataset.name, plan.test_splits, counts)
        folder.inputs.extend(one.record() for one in trainings)
        about = {
            "dataset": plan.dataset.name,
            "split": plan.split,
            "test_splits": list(plan.test_splits),
            "network": config.network or trainings[0].manifest()["config"]["network"],
            "augment": " ".join(config.augment),
            "epochs": config.epochs,
            "runs": {one.name: one.place.name for one in trainings},
            "command": command_of(JOB, config),
        }
        with folder.timed("study"), progress.task("studying", len(trainings), "trainings") as task:
            made = findings(predictions, about, [one.measured() for one in sets], task)
        drawn = {name: png(figure) for name, figure in pictures(made).items()} | contact_sheets(sets)
        write_study(folder, plain(made), tables(made), drawn)
        result = folder.finish(results(made), page=page)
    result = write_page(result, title(made), config.out, slug(f"augmentation-{plan.dataset.name}"))
    return reported(result, wanted=config.report, data_root=config.data_root)


def plan_of(config: StudyAugmentationConfig) -> "Plan":
    """What all trainings have in common, checked; nothing is trained yet."""
    from gapscope.cnn.presets import PRESETS
    from gapscope.data.catalogue import opened_by
    from gapscope.studies.augmentation.plan import Plan
    from gapscope.studies.trainings import dataset_name

    if config.preset and config.preset not in PRESETS:
        raise unknown_name("preset", config.preset, PRESETS)
    name = dataset_name(config.dataset, config.rows)
    dataset = opened_by(config, name)
    split, *test_splits = map(dataset.called, (config.split, *config.test_split))
    if not test_splits or split in test_splits:
        raise InputError(f"--test-split must name splits other than {split}, which is trained on")
    for one in (split, *test_splits):
        dataset.source(one)
    given = (
        {name: getattr(config, name) for name in OF_TRAININGS}
        | {"learning_rate": config.learning_rate}
        | places(config)
    )
    return Plan(dataset, name, split, tuple(test_splits), config.augment, given)


def sets_of(config: StudyAugmentationConfig, plan: "Plan") -> "list[SyntheticSet]":
    """The synthetic sets, checked; none is made yet."""
    from gapscope.studies.augmentation.synthetic_sets import settings_of, synthetic_sets

    given = {name: getattr(config, name) for name in OF_SETS} | places(config)
    given |= {"dataset": plan.opened_as, "weights": config.backbone_weights}
    splits, settings = (plan.split, *plan.test_splits), settings_of(config.settings)
    return synthetic_sets(config.synthetic, plan.dataset, given, splits, settings, config.synthetic_size)


def places(config: StudyAugmentationConfig) -> dict[str, Any]:
    """The folders in which all runs of the study work."""
    from gapscope.core.location import Location

    workspace = str(Location.of(config.workspace).absolute())
    return {"workspace": workspace, "data_root": config.data_root.absolute()}


def train(given: Mapping[str, Any], progress: Progress = SILENT) -> str:
    """Run `train-cnn` with some options; the folder of its run."""
    return run_job("train-cnn", given, progress).run


def refit(given: Mapping[str, Any], progress: Progress = SILENT) -> str:
    """Run `refit-head` with some options; the folder of its run."""
    return run_job("refit-head", given, progress).run


def augment_all(several: Sequence[Mapping[str, Any]], progress: Progress = SILENT) -> list[str]:
    """Run `augment` with each of some options; the folders of the runs."""
    return [run_job("augment", given, progress).run for given in several]

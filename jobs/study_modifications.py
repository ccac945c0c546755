"""`study-modifications`: train on original and on modified images, test each on all."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.progress import SILENT, Progress
from gapscope.data.vocabulary import LABELLING
from gapscope.jobs import options, run_job
from gapscope.jobs.options import METHOD, ImageListing, NetworkTraining, OnWorkers, Reported, configuration, option

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult
    from gapscope.studies.modifications.plan import ModifiedSet
    from gapscope.studies.trainings import Training

JOB = "study-modifications"


@configuration
class StudyModificationsConfig(NetworkTraining, ImageListing, OnWorkers, Reported):
    """Train on original and on modified images, test each on all of them: what is lost, regained, and at what cost.

    Every training is an ordinary run of `train-cnn`, which `evaluate`, `compare` and `gap` read. Finished trainings are
    recognised and not run again; killed and called again, the same command continues. Trainings run one after another,
    or side by side on the workers of a cluster. The page with its tables and pictures goes into the run folder.

    python cli.py study-modifications cifar10 --modify night:3,blur:3 --preset cifar10-small --seeds 3
    python cli.py study-modifications digits --rows 300 --modify night --epochs 3 --also mixed
    python cli.py study-modifications PHOTOS --modify rain:2,rain:4,night+fog --cluster local --workers 2
    """

    dataset: options.DatasetName = field(default="", kw_only=False)
    modify: options.ModifyList = "night:3,blur:3,gaussian-noise:3"
    also: Annotated[
        tuple[Literal["mixed"], ...],
        option(
            "mixed: train on the original images too, of which each goes through one of the modifications by chance, "
            "so that they and the original are seen equally often.",
            METHOD,
        ),
    ] = ()
    rows: options.RowLimit = 0
    split: options.Split = "train"
    test_split: options.TestSplit = "test"
    pretrained: options.Pretrained = None
    weights: options.Weights = ""
    epochs: options.EpochsOrPreset = None
    augment: options.AugmentOrPreset = None
    seeds: options.Seeds = 3
    device: options.Device = "auto"
    out: options.Out = ""


# Options that its trainings have as well.
SHARED = (
    *("split", "preset", "network", "pretrained", "weights", "image_size", "epochs", "batch_size", "optimizer"),
    *("learning_rate", "weight_decay", "schedule", "augment", "seeds", "seed", "device", "memory", "report"),
    *LABELLING,
)


def run(config: StudyModificationsConfig, progress: Progress = SILENT) -> "RunResult":
    """Train whatever is not trained yet, study all of it, save findings, tables and pictures, and word the page."""
    from gapscope.core.location import Location
    from gapscope.draw import png
    from gapscope.reports.write import reported
    from gapscope.runs.folder import opened
    from gapscope.store.workspace import slug
    from gapscope.studies.memory import check_trainings
    from gapscope.studies.modifications.findings import STEPS, findings
    from gapscope.studies.modifications.page import page, title
    from gapscope.studies.modifications.pictures import pictures
    from gapscope.studies.modifications.plan import predictions_of, samples
    from gapscope.studies.modifications.tables import results, tables
    from gapscope.studies.saved import command_of, plain, write_page, write_study
    from gapscope.studies.trainings import Place, run_trainings

    sets, trainings = planned(config)
    dataset, called = sets[0].dataset.name, sets[0].dataset.called
    config = replace(config, split=called(config.split), test_split=called(config.test_split))
    images = len(sets[0].dataset.source(config.test_split).listing)
    check_trainings(dataset, len(trainings) * config.seeds, len(sets), images, config.memory)
    name = slug(config.name or f"{dataset}-{config.preset or config.network or 'simple-cnn'}")
    with opened(Location.of(config.workspace).absolute(), JOB, name, config) as folder:
        with folder.timed("train"):
            run_trainings(trainings, train, Place(config.scheduler, config.cluster, config.workers, progress))
        with folder.timed("study"), progress.task("studying", STEPS, "sections") as task:
            predictions = predictions_of(sets, trainings, (config.split, config.test_split))
            about = {
                "dataset": dataset,
                "split": config.split,
                "test_split": config.test_split,
                "network": trainings[0].manifest()["config"]["network"],
                "runs": {one.name: one.place.name for one in trainings},
                "command": command_of(JOB, config),
            }
            made = findings(predictions, about, task)
        folder.inputs.extend(one.record() for one in trainings)
        names, images = samples(sets, config.test_split)
        drawn = {name: png(figure) for name, figure in pictures(made, images, names).items()}
        write_study(folder, plain(made), tables(made), drawn)
        result = folder.finish(results(made, sets), page=page)
    result = write_page(result, title(made), config.out, slug(f"modifications-{dataset}"))
    return reported(result, wanted=config.report, data_root=config.data_root)


def planned(config: StudyModificationsConfig) -> "tuple[list[ModifiedSet], list[Training]]":
    """The sets and the trainings, checked; nothing is trained yet."""
    from gapscope.cnn.presets import PRESETS
    from gapscope.core.location import Location
    from gapscope.data.catalogue import opening_of
    from gapscope.studies.modifications.plan import modified_sets, trainings_of
    from gapscope.studies.trainings import dataset_name

    if config.preset and config.preset not in PRESETS:
        raise unknown_name("preset", config.preset, PRESETS)
    name = config.dataset or (PRESETS[config.preset].options.get("dataset", "") if config.preset else "")
    if not name:
        raise InputError("nothing to train on; name images with --dataset NAME or PATH, or a training with --preset")
    opening = {"data_root": config.data_root, **opening_of(config)}
    splits = config.split, config.test_split
    sets = modified_sets(dataset_name(name, config.rows), config.modify, *splits, opening)
    given = {name: getattr(config, name) for name in SHARED} | {
        "workspace": str(Location.of(config.workspace).absolute()),
        "data_root": config.data_root.absolute(),
    }
    return sets, trainings_of(sets, given, tuple(map(sets[0].dataset.called, splits)), config.also)


def train(given: Mapping[str, Any], progress: Progress = SILENT) -> str:
    """Run `train-cnn` with some options; the folder of its run."""
    return run_job("train-cnn", given, progress).run

"""`train-cnn`: a network is trained on images and evaluated on images that it has not seen."""

from dataclasses import asdict, field
from typing import TYPE_CHECKING, Annotated, Literal

from gapscope.cnn.presets import in_short
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import COMPUTE, METHOD, MODEL, configuration, option

if TYPE_CHECKING:
    from gapscope.cnn.request import Request
    from gapscope.runs.result import RunResult

JOB = "train-cnn"


@configuration
class TrainCnnConfig(options.NetworkTraining, options.ImageListing, options.OnWorkers, options.Reported):
    """Train a network on images, from scratch or from pretrained weights, and evaluate it on images it has not seen.

    Options that are not given come from the preset, if one is named; else there are 10 epochs of Adam with a largest
    learning rate of 0.001 in batches of 128, and a tenth of the training images to validate on. Nothing is chosen on
    test images. After every epoch all that was reached is saved: killed and called again, the same command continues.
    Predictions, results and figures go into the run folder, where `evaluate`, `compare` and `gap` read them.

        python cli.py train-cnn fashion-mnist --network simple-cnn --epochs 10
        python cli.py train-cnn --preset fashion-mnist-cnn --seeds 3
        python cli.py train-cnn PHOTOS --network resnet18 --pretrained --freeze-epochs 1 --body-learning-rate 0.1
        python cli.py train-cnn cifar10 --weights run:OLD-RUN --modify night:3 --interpolate 0.5 --network simple-cnn
        python cli.py train-cnn cifar10+night:3 --weights run:OLD-RUN --train-layers first --network simple-cnn
        python cli.py train-cnn cifar10 --modify night,blur:2 --evaluate cifar10/test cifar10+night/test

    {presets}
    """

    dataset: options.OptionalDataset = field(default=None, kw_only=False)
    split: options.Split = "train"
    evaluate: options.Evaluate = ()
    pretrained: options.Pretrained = None
    weights: options.Weights = ""
    interpolate: Annotated[
        float, option("Share of the way from the weights before training to those after it (WiSE-FT).", METHOD)
    ] = 1.0
    network_args: Annotated[
        tuple[str, ...] | None, option("name=value of the network, and mean, std of its input.", MODEL)
    ] = None
    epochs: options.EpochsOrPreset = None
    body_learning_rate: Annotated[
        float | None,
        option("Share of it for all but the head.", METHOD, name=("--body-learning-rate", "--body-lr")),
    ] = None
    warmup: Annotated[float | None, option("Epochs of linear rise to the largest learning rate.", METHOD)] = None
    label_smoothing: Annotated[float | None, option("Share of a label that is spread over classes.", METHOD)] = None
    class_weight: options.ClassWeight = None
    sampler: Annotated[
        Literal["shuffled", "balanced"] | None,
        option("shuffled: each image once an epoch; balanced: as many, every class as often.", METHOD),
    ] = None
    augment: options.AugmentOrPreset = None
    modify: options.ModifyOrPreset = None
    modify_probability: Annotated[float | None, option("Chance that a training image is modified.", METHOD)] = None
    ema: Annotated[float | None, option("Decay per step of an average of the weights, such as 0.998.", METHOD)] = None
    train_layers: Annotated[
        Literal["all", "first"] | None,
        option("first: the first quarter alone, of a network in --weights (surgical fine-tuning).", METHOD),
    ] = None
    freeze_epochs: Annotated[int | None, option("Epochs in which the head alone is trained.", METHOD)] = None
    freeze_norms: Annotated[bool | None, option("Batch norms do not change their statistics.", METHOD)] = None
    patience: Annotated[
        int | None, option("Stop after so many epochs without a smaller validation loss; 0 for never.", METHOD)
    ] = None
    keep: options.Keep = None
    validation: options.Validation = None
    seeds: options.Seeds = 1
    processes: Annotated[int, option("Processes that train a network together, each on its share.", COMPUTE)] = 1
    device: options.Device = "auto"
    precision: options.Precision = "auto"
    track: options.Track = ""


# What `--help` shows stands in one place, beside what it describes.
TrainCnnConfig.__doc__ = (TrainCnnConfig.__doc__ or "").replace("{presets}", in_short().replace("\n", "\n    "))


def run(config: TrainCnnConfig, progress: Progress = SILENT) -> "RunResult":
    """Check all that is requested, then train the network of each seed and evaluate it."""
    from gapscope.cnn.run import train_and_evaluate
    from gapscope.cnn.setup import set_up
    from gapscope.cnn.test_sets import test_sets
    from gapscope.cnn.training_run import TrainingRun
    from gapscope.core.location import Location
    from gapscope.exports.tracked import check_tracker, tracked
    from gapscope.reports.write import reported
    from gapscope.runs.folder import opened
    from gapscope.store.workspace import slug

    check_tracker(config.track)
    setup = set_up(request_of(config))
    request = setup.request
    tests = test_sets(request, setup.dataset, setup.source)
    name = slug(request.name or f"{setup.dataset.name}-{request.preset or request.network}")
    with opened(Location.of(request.workspace).absolute(), JOB, name, request, [setup.record()]) as folder:
        result = train_and_evaluate(TrainingRun(request, setup, folder, progress), tests)
    return tracked(reported(result, wanted=request.report, data_root=request.data_root), config.track)


def request_of(config: TrainCnnConfig) -> "Request":
    """The options with those of the preset, and what is usual, filled in."""
    from gapscope.cnn.request import RECORDED, settle

    options = {name: value for name, value in asdict(config).items() if name != "track"}
    return settle({RECORDED.get(name, name): value for name, value in options.items()})

"""`fit-incremental`: classifiers on stored embeddings, evaluated on every companion set."""

from dataclasses import field, replace
from typing import TYPE_CHECKING, Annotated, Literal

from gapscope.core.budget import parse_bytes
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import METHOD, configuration, data_root, option
from gapscope.probes.options import ProbeOptions

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult

JOB = "fit-incremental"


@configuration
class FitIncrementalConfig(options.Subset, options.OnWorkers, options.Reported):
    """Train classifiers on stored embeddings, evaluate them on every companion set.

    Several datasets are trained on as one: classes are matched by name, every set counts as much as every other,
    and a set is named as dataset/split where it has another split.
    Reads the embeddings in chunks, so that memory does not grow with their number; everything that has to be chosen is
    chosen on held-out training rows. On two cores, 1.28 million rows of 1024 features and 1000 classes take minutes.
    Killed and called again, it continues.

        python cli.py fit imagenet
        python cli.py fit cifar10 --model softmax lda knn
        python cli.py fit cifar10 --class-weight none balanced logit-adjustment
        python cli.py fit cifar10 --model logistic --c 1
        python cli.py fit cifar10 --exclude ids.parquet
        python cli.py fit cifar10 cifar10+night:3 --evaluate night/test
        python cli.py fit photo cartoon art sketch --leave-one-out
        python cli.py fit-incremental --dataset imagenet --scheduler tcp://10.0.0.1:8786
    """

    dataset: options.DatasetNames = field(kw_only=False)
    model: options.Probes = ("softmax",)
    split: options.Split = "train"
    backbone: options.Backbone = ""
    leave_one_out: Annotated[
        bool, option("Train without each of several datasets in turn, and evaluate on the one left out.", METHOD)
    ] = False
    evaluate: options.Evaluate = ()
    class_weight: options.ClassWeights = ("none",)
    view: options.View = ""
    grid: Annotated[bool, option("Train the whole grid of settings from one read, and show the best.", METHOD)] = False
    certify: Annotated[
        bool, option("Go on until the distance to the optimum is known to be small (softmax).", METHOD)
    ] = False
    epochs: options.Epochs = 2
    shrinkage: Annotated[
        float | str | None, option("Share of the identity in the covariance, 0 to 1, or ledoit-wolf (lda).", METHOD)
    ] = None
    l2: options.L2 = None
    c: Annotated[
        float | None,
        option(
            "The penalty as scikit-learn's C, on the features as stored unless --view names others.",
            METHOD,
            name=("--c", "--C"),
        ),
    ] = None
    alpha: Annotated[float | None, option("Penalty as scikit-learn's alpha (ridge).", METHOD)] = None
    learning_rate: options.LearningRate = None
    neighbours: options.NeighboursOrDefault = None
    trees: Annotated[int | None, option("Number of trees (forest, sample-forest) or rounds (boosting).", METHOD)] = None
    estimator: Annotated[
        Literal["SGDClassifier", "Perceptron", "GaussianNB", "MLPClassifier"],
        option("scikit-learn's classifier with partial_fit (partial-fit).", METHOD),
    ] = "SGDClassifier"
    loss: Annotated[str, option("Loss of scikit-learn's SGDClassifier (sgd).", METHOD)] = "log_loss"
    holdout: options.Holdout = 0.1
    device: options.Device = "cpu"
    checkpoint_seconds: options.CheckpointSeconds = 30.0
    track: options.Track = ""


def run(config: FitIncrementalConfig, progress: Progress = SILENT) -> "RunResult":
    """Train, save, predict and measure."""
    from gapscope.exports.tracked import check_tracker, tracked
    from gapscope.reports.write import reported
    from gapscope.training.candidates import candidates_of
    from gapscope.training.run import run_training

    check_tracker(config.track)
    candidates = candidates_of(config.model, config.class_weight, _options(config))
    if len(datasets := config.dataset) == 1 or isinstance(datasets, str):
        config = replace(config, dataset=datasets if isinstance(datasets, str) else datasets[0])  # recorded as a name
    result = reported(run_training(JOB, config, candidates, progress), wanted=config.report, data_root=data_root())
    return tracked(result, config.track)


def _options(config: FitIncrementalConfig) -> ProbeOptions:
    return ProbeOptions(
        epochs=config.epochs,
        shrinkage=config.shrinkage,
        l2=config.l2,
        c=config.c,
        alpha=config.alpha,
        view=config.view,
        learning_rate=config.learning_rate,
        grid=config.grid,
        certify=config.certify,
        neighbours=config.neighbours,
        trees=config.trees,
        estimator=config.estimator,
        loss=config.loss,
        device=config.device,
        memory_bytes=parse_bytes(config.memory),
        seed=config.seed,
    )

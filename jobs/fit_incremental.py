"""`fit-incremental`: classifiers on stored embeddings, evaluated on every companion set."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from gapscope.core.budget import parse_bytes
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.reported import reported
from gapscope.probes.options import ProbeOptions
from gapscope.runs.result import RunResult
from gapscope.training.run import candidates_of, run_training

JOB = "fit-incremental"


@dataclass(frozen=True, kw_only=True)
class FitIncrementalConfig:
    """Train classifiers on stored embeddings, evaluate them on every companion set.

    Reads the embeddings in chunks, so that memory does not grow with their number; everything that has to be chosen is
    chosen on held-out training rows. On two cores, 1.28 million rows of 1024 features and 1000 classes take minutes.
    Killed and called again, it continues.

        python cli.py fit-incremental --dataset imagenet
        python cli.py fit-incremental --dataset cifar10 --model softmax lda knn
        python cli.py fit-incremental --dataset cifar10 --class-weight none balanced logit-adjustment
        python cli.py fit-incremental --dataset cifar10 --model logistic --c 1
        python cli.py fit-incremental --dataset cifar10 --exclude ids.parquet
        python cli.py fit-incremental --dataset imagenet --scheduler tcp://10.0.0.1:8786

    Attributes
    ----------
    dataset
        Dataset whose embeddings to train on.
    model
        One or several of softmax (converged, the default), logistic, ridge, lda, nearest-mean, knn, forest,
        sample-forest, boosting, partial-fit, sgd.
    split
        Split to train on.
    backbone
        Which backbone's embeddings, where there are several.
    evaluate
        Further sets to evaluate on, as dataset/split; companions are evaluated in any case.
    only
        CSV or Parquet file with the images to keep, as the explorer exports them (columns sample_id, dataset, split);
        sets that it does not name stay whole.
    exclude
        The same with images to leave out.
    class_weight
        One or several of none, balanced, effective-number, balanced-sampling, logit-adjustment, for classes of unequal
        size.
    view
        Features as penalty and metric see them: raw, standardised, whitened, normalised; what suits the model when not
        given.
    grid
        Train the whole grid of settings side by side from one read, and show the best.
    certify
        Finish with full-batch steps until the distance to the optimum is known to be small (softmax).
    epochs
        Passes of gradient descent over the training rows.
    shrinkage
        Share of the identity in the covariance, 0 to 1, or ledoit-wolf (lda).
    l2
        Strength of the penalty (softmax, logistic).
    c
        The same penalty as scikit-learn's C (softmax, logistic).
    alpha
        Strength of the penalty, as scikit-learn's alpha (ridge).
    learning_rate
        Share of its error that a row may correct at once (softmax).
    neighbours
        Number of neighbours that vote (knn).
    trees
        Number of trees (forest, sample-forest) or rounds (boosting).
    estimator
        scikit-learn classifier with partial_fit: SGDClassifier, Perceptron, GaussianNB, MLPClassifier (partial-fit).
    loss
        Loss of scikit-learn's SGDClassifier (sgd).
    holdout
        Share of the training rows that is held out for choosing, 10,000 rows at most; of a set with synthetic rows only
        real ones that no generator has seen.
    device
        cpu computes with NumPy; cuda and cuda:N with torch.
    memory
        How much memory may be used beside the libraries.
    seed
        Decides the order of the rows after the first pass, and whatever else is random.
    checkpoint_seconds
        How often the state is kept from which a killed run continues.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    cluster
        local starts a Dask cluster on this machine for this run.
    workers
        Number of worker processes of that cluster.
    workspace
        Where embeddings are and runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; dataset and models when not given.
    report
        Write report.html into the run's folder.
    """

    dataset: str
    model: tuple[str, ...] = ("softmax",)
    split: str = "train"
    backbone: str = ""
    evaluate: tuple[str, ...] = ()
    only: str = ""
    exclude: str = ""
    class_weight: tuple[str, ...] = ("none",)
    view: str = ""
    grid: bool = False
    certify: bool = False
    epochs: int = 2
    shrinkage: float | str | None = None
    l2: float | None = None
    c: Annotated[float | None, Parameter(name=("--c", "--C"))] = None
    alpha: float | None = None
    learning_rate: float | None = None
    neighbours: int | None = None
    trees: int | None = None
    estimator: str = "SGDClassifier"
    loss: str = "log_loss"
    holdout: float = 0.1
    device: str = "cpu"
    memory: str = "2GB"
    seed: int = 0
    checkpoint_seconds: float = 30.0
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    workspace: str = "workspace"
    name: str = ""
    report: Annotated[bool, Parameter(negative="--no-report")] = True


def run(config: FitIncrementalConfig, progress: Progress = SILENT) -> RunResult:
    """Train, save, predict and measure."""
    candidates = candidates_of(config.model, config.class_weight, _options(config))
    found = run_training(JOB, config, candidates, progress, show_settings=config.grid)
    return reported(found, wanted=config.report)


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

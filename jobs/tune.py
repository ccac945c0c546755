"""`tune`: the best settings of classifiers, found from one read by dropping the poor ones early."""

from dataclasses import dataclass

from gapscope.core.budget import parse_bytes
from gapscope.core.progress import SILENT, Progress
from gapscope.probes.options import ProbeOptions
from gapscope.runs.result import RunResult
from gapscope.training.run import candidates_of, run_training

JOB = "tune"


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """Find the best settings of a classifier, train it with them, and evaluate it on every companion set.

    Settings are trained side by side from one read and judged on held-out training rows alone; of softmax the poorer
    two thirds are dropped again and again, and the rest gets three times as many rows (successive halving). All
    settings are kept in results.parquet, the best are shown. Costs what 12 heads cost for all epochs.

        python cli.py tune --dataset cifar10
        python cli.py tune --dataset cifar10 --model softmax ridge lda
        python cli.py tune --dataset cifar10 --class-weight none balanced

    Attributes
    ----------
    dataset
        Dataset whose embeddings to train on.
    model
        One or several of those that have settings to choose: softmax, logistic, ridge, lda, knn.
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
        One or several of none, balanced, effective-number, balanced-sampling, logit-adjustment; each is tuned by
        itself.
    view
        Tune on these features alone: raw, standardised, whitened or normalised; all that the model has when not given.
    epochs
        Passes of gradient descent over the training rows.
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
    epochs: int = 4
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


def run(config: TuneConfig, progress: Progress = SILENT) -> RunResult:
    """Train all settings, keep the best, predict and measure."""
    options = ProbeOptions(
        epochs=config.epochs,
        view=config.view,
        grid=True,
        halving=True,
        device=config.device,
        memory_bytes=parse_bytes(config.memory),
        seed=config.seed,
    )
    candidates = candidates_of(config.model, config.class_weight, options)
    return run_training(JOB, config, candidates, progress, show_settings=True)

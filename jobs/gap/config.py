"""The options of `gap`."""

from dataclasses import dataclass, field
from typing import Annotated

from cyclopts import Parameter


@dataclass(frozen=True, kw_only=True)
class GapConfig:
    """Split the accuracy lost from one set to another into its causes, down to class, feature and image.

    With a run and two stored sets everything is computed; with two files of predictions, everything that needs no
    features. The terms sum to the gap. Positive points are accuracy lost. On two cores, 10,000 + 10,000 rows of 1280
    features take about a minute; `--skip repairs` and others save most of it.

        python cli.py gap workspace/runs/fit-incremental-cifar10-softmax --reference cifar10/test --target night/test
        python cli.py gap workspace/runs/train-cnn-cifar10-small --reference cifar10/test --target cifar10+night/test
        python cli.py gap workspace/runs/tune-cifar10 --reference cifar10/test --target night/test --only ids.csv
        python cli.py gap --predictions-reference val.csv --predictions-target v2.csv --labels real.json

    Attributes
    ----------
    run
        Run folder of fit-incremental, tune, train-cnn or predict. A network is explained by the features that
        `extract --backbone run:NAME` stores.
    reference
        The set to compare with, as dataset/split.
    target
        The set on which accuracy was lost, as dataset/split.
    model
        Which model, of a run or a file that has several.
    predictions_reference
        A file or folder of predictions for the reference, instead of a run.
    predictions_target
        The same for the target.
    predictions_labels
        For .npy files: the labels of the reference and of the target.
    only
        CSV or Parquet file with the images to keep, as the explorer exports them (columns sample_id, dataset, split);
        sets that it does not name stay whole.
    exclude
        The same with images to leave out.
    labels
        Better labels, several valid classes for an image or cleaned ones: one file for both sides, or one for each.
    skip
        What to leave out, of domain, features, reasons, repairs.
    replicates
        Number of bootstrap replicates.
    backbone
        Which backbone's embeddings; the model's own when not given.
    seed
        Decides whatever is random.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    cluster
        local starts a Dask cluster on this machine for this run.
    workers
        Number of worker processes of that cluster.
    workspace
        Where embeddings are and runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; that of the model and the sets when not given.
    report
        Write report.html into the run's folder.
    """

    run: str = field(default="", kw_only=False)
    reference: str = ""
    target: str = ""
    model: str = ""
    predictions_reference: str = ""
    predictions_target: str = ""
    predictions_labels: tuple[str, ...] = ()
    only: str = ""
    exclude: str = ""
    labels: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    replicates: int = 200
    backbone: str = ""
    seed: int = 0
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    workspace: str = "workspace"
    name: str = ""
    report: Annotated[bool, Parameter(negative="--no-report")] = True

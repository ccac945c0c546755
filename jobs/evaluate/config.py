"""The options of `evaluate`."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Measure predictions, made here or elsewhere: accuracy, agreement, calibration, ranking, selective prediction.

    Everything that the predictions allow is measured: calibration needs probabilities of the best class, log loss that
    of the label, Brier score, AUROC and average precision those of all classes. About 4 s for 10,000 rows of 10
    classes, 9 s for 50,000 of 1,000 without probabilities. All rows are held in memory, with a byte for each replicate.

        python cli.py evaluate workspace/runs/tune-cifar10-softmax
        python cli.py evaluate workspace/runs/tune-cifar10-softmax --only ids.parquet
        python cli.py evaluate --predictions resnet50.csv
        python cli.py evaluate --predictions scores.npy --labels labels.txt
        python cli.py evaluate --predictions validation.parquet --model resnet50 --labels real.json

    Attributes
    ----------
    run
        A run folder of fit-incremental, tune or predict; all its models and sets are measured.
    predictions
        A file instead: CSV, Parquet, JSON, JSON lines, or an .npy array of scores.
    model
        Which model of the run, or which column of a file with one for each model.
    dataset
        Which set of the run; for a file, what to call the set.
    split
        Split of that set.
    labels
        For an array, the class of each row (.npy or text). Otherwise several right classes for each image: a table with
        the columns image and labels, or JSON with lists by image name or in the order of the rows.
    only
        CSV or Parquet file with the images to keep, as the explorer exports them (columns sample_id, dataset, split);
        sets that it does not name stay whole.
    exclude
        The same with images to leave out.
    replicates
        Of the bootstrap behind the intervals.
    seed
        Decides the bootstrap.
    workspace
        Where runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; that of the run or file measured when not given.
    """

    run: str = field(default="", kw_only=False)
    predictions: str = ""
    model: str = ""
    dataset: str = ""
    split: str = ""
    labels: str = ""
    only: str = ""
    exclude: str = ""
    replicates: int = 200
    seed: int = 0
    workspace: str = "workspace"
    name: str = ""

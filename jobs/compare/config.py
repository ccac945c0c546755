"""The options of `compare`."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """Test models against each other on the same images, and against the line that models lie on.

    One set: accuracies, the difference of each pair with a bootstrap interval, the exact McNemar test, corrected by
    Holm for the number of pairs. Two sets, as --reference and --target: also how far each model's accuracy on the
    target lies above what the line through the models, on probit axes, expects of its accuracy on the reference
    (effective robustness); --baseline-line names a line of other models. 24 models on 60,000 images take
    about 6 s of one core.

        python cli.py compare RUN RUN --dataset cifar10 --split test
        python cli.py compare --predictions validation.parquet --model resnet50 --model vgg16
        python cli.py compare --reference validation.parquet --target v2.parquet
        python cli.py compare RUN RUN --reference cifar10/test --target photos/all --baseline-line line.json

    Attributes
    ----------
    runs
        Run folders of fit-incremental, tune or predict; all their models are compared.
    predictions
        Files of predictions instead, each of one model or of many, for the same images.
    model
        Only the models of these names.
    dataset
        Which set of the runs.
    split
        Split of that set.
    reference
        Of two sets, the one to start from: dataset/split of the runs, or files as in --predictions.
    target
        The other one, of the same models.
    baseline_line
        JSON or CSV with slope and intercept on probit axes, or with one row for each model and its accuracies as
        reference and target.
    replicates
        Of the bootstrap behind the intervals.
    seed
        Decides the bootstrap.
    workspace
        Where runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; that of the first run or file when not given.
    """

    runs: tuple[str, ...] = field(default=(), kw_only=False)
    predictions: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    dataset: str = ""
    split: str = ""
    reference: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    baseline_line: str = ""
    replicates: int = 200
    seed: int = 0
    workspace: str = "workspace"
    name: str = ""

"""The options of `forecast`."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ForecastConfig:
    """Estimate the accuracy of models on a set without its labels, by all methods that the data allow.

    Learns what it needs (temperature, threshold, accuracy) from a labelled set that the models were not trained on, and
    reads each set once. Where the target has labels after all, the estimates are tested against them; nothing else
    looks at them. Ten thousand rows of 1280 features take seconds, training the heads aside.

        python cli.py forecast workspace/runs/tune-cifar10-softmax --reference cifar10/test --target photos/all
        python cli.py forecast RUN --reference imagenet/val --target imagenetv2/test imagenet-a/test --heads 0
        python cli.py forecast --predictions-reference v1.parquet --predictions-target v2.parquet

    Attributes
    ----------
    runs
        Run folders of fit-incremental or tune, or folders of models below one. All their models are compared. Of
        train-cnn, one network at a time, by the features that `extract --backbone run:NAME` stores.
    reference
        Labelled set that the models were not trained on, as dataset/split.
    target
        One or several sets to make forecasts for, as dataset/split.
    model
        Only the models of these names.
    methods
        One or several of average-confidence, doc, atc-mc, atc-ne, cot, nuclear-norm, gde, aline-s, aline-d; all that
        can be had when not given.
    heads
        How many models to train, in pairs on the halves of the training rows and on ever smaller shares of these, for
        the methods that compare models, where there is only one model; 0 for none.
    predictions_reference
        Files of predictions for the reference, instead of runs and sets.
    predictions_target
        Files of predictions for the target, of the same models.
    labels_reference
        Labels of the reference, where its predictions are an array.
    labels_target
        Labels of the target for the back-test, where its predictions are an array; may be left out.
    replicates
        Of the bootstrap behind the intervals.
    backbone
        Which backbone's embeddings; the model's own when not given.
    seed
        Decides the bootstrap and the training of heads.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    cluster
        local starts a Dask cluster on this machine for this run.
    workers
        Number of worker processes of that cluster.
    workspace
        Where embeddings are and runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; that of the model's folder and of the targets when not given.
    """

    runs: tuple[str, ...] = field(default=(), kw_only=False)
    reference: str = ""
    target: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    heads: int = 6
    predictions_reference: tuple[str, ...] = ()
    predictions_target: tuple[str, ...] = ()
    labels_reference: str = ""
    labels_target: str = ""
    replicates: int = 200
    backbone: str = ""
    seed: int = 0
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    workspace: str = "workspace"
    name: str = ""

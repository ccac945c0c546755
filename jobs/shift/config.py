"""The options of `shift`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter


@dataclass(frozen=True, kw_only=True)
class ShiftConfig:
    """Measure how far apart stored sets are, and which differences matter.

    Each set is read once for all summaries; statistics that need ranks, neighbours or a trained classifier read
    again. Every p-value has the size of the effect beside it: of a million rows, everything is significant. With
    several targets, a matrix of distances between all sets.

        python cli.py shift --reference imagenet/val --target imagenetv2/test
        python cli.py shift --reference cifar10/train --target cifar10/test cifar10-night/test --exclude-slow
        python cli.py shift --reference cifar10/test --target photos/all --statistics moments mmd
        python cli.py shift --reference cifar10/test --target photos/all --model workspace/runs/fit-incremental-cifar10

    Attributes
    ----------
    reference
        The set to compare with, as dataset/split.
    target
        One or several sets, as dataset/split.
    only
        CSV or Parquet file with the images to keep, as the explorer exports them (columns sample_id, dataset, split);
        sets that it does not name stay whole.
    exclude
        The same with images to leave out.
    statistics
        Which of moments, marginal, sliced, mmd, frechet, prdc, classifier; all when not given.
    exclude_slow
        Leave out the statistics that read the sets again.
    model
        Folder of a trained model, of a network too: tells the shift of the class shares from its predictions. Rows of
        the reference should not have trained it.
    correction
        For many tests at once: bh (Benjamini-Hochberg), by (Benjamini-Yekutieli), holm, bonferroni.
    neighbours
        k of precision, recall, density and coverage.
    replicates
        Number of bootstrap replicates and permutations.
    backbone
        Which backbone's embeddings, where there are several; those that the model reads when not given.
    memory
        How much memory may be used beside the libraries.
    seed
        Decides directions, frequencies, permutations and replicates.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    cluster
        local starts a Dask cluster on this machine for this run.
    workers
        Number of worker processes of that cluster.
    workspace
        Where embeddings are and runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; the sets when not given.
    report
        Write report.html into the run's folder.
    """

    reference: str
    target: tuple[str, ...]
    only: str = ""
    exclude: str = ""
    statistics: tuple[str, ...] = ()
    exclude_slow: bool = False
    model: str = ""
    correction: str = "bh"
    neighbours: int = 5
    replicates: int = 200
    backbone: str = ""
    memory: str = "2GB"
    seed: int = 0
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    workspace: str = "workspace"
    name: str = ""
    report: Annotated[bool, Parameter(negative="--no-report")] = True

"""The options of `map`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter


@dataclass(frozen=True, kw_only=True)
class MapConfig:
    """Two coordinates for every row of one or several stored sets, in one common space.

    pca, lda and head are functions of each row. umap and tsne are laid out on a sample, by class and set, in the
    principal coordinates of all sets together; every other row is then placed among it, and the column `fitted` says
    which is which. The Parquet table that is written opens in DuckDB, pandas and embedding-atlas as it is. A map that
    is there already is not made again.

        python cli.py map --dataset cifar10 --split test --method umap
        python cli.py map --dataset cifar10/test cifar10+night/test --method tsne --sample 20000
        python cli.py map --dataset cifar10 --method head --classes cat dog --run workspace/runs/fit-incremental-cifar10
        python cli.py map --dataset cifar10 --method umap --only ids.parquet

    Attributes
    ----------
    dataset
        One or several sets, as dataset/split, or as dataset with --split.
    split
        The split of those that name none.
    method
        pca; umap; tsne; lda, the two best discriminants; head, what separates two classes.
    neighbours
        Of UMAP's graph.
    perplexity
        Of t-SNE.
    sample
        Rows that umap and tsne lay out; 10,000 or as many as --memory allows when not given.
    placement
        How the others are placed: neighbours, fast; library, by UMAP's and openTSNE's own transform.
    classes
        The two classes that head separates.
    run
        Folder of a run whose predictions are joined, and whose linear model gives head its direction.
    model
        Which of the run's models, where it has several.
    only
        CSV or Parquet file with the images to keep, as the explorer exports them (columns sample_id, dataset, split);
        sets that it does not name stay whole.
    exclude
        The same with images to leave out.
    backbone
        Which backbone's embeddings, where there are several.
    memory
        How much memory may be used beside the libraries.
    seed
        Decides the layout.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    cluster
        local starts a Dask cluster on this machine for this run.
    workers
        Number of worker processes of that cluster.
    workspace
        Where embeddings are and runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; method and sets when not given.
    report
        Write report.html into the run's folder.
    """

    dataset: tuple[str, ...]
    split: str = "test"
    method: str = "umap"
    neighbours: int = 15
    perplexity: float = 30.0
    sample: int | None = None
    placement: str = "neighbours"
    classes: tuple[str, ...] = ()
    run: str = ""
    model: str = ""
    only: str = ""
    exclude: str = ""
    backbone: str = ""
    memory: str = "2GB"
    seed: int = 0
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    workspace: str = "workspace"
    name: str = ""
    report: Annotated[bool, Parameter(negative="--no-report")] = True

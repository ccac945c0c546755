"""The options of `study-imagenet-v2`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter


@dataclass(frozen=True, kw_only=True)
class StudyImagenetV2Config:
    """Compare models on ImageNet validation and ImageNetV2: a page, its pictures, and the tables behind it.

    Reads ``validation.parquet`` and ``v2-….parquet`` of a folder: columns image, label, and one column of best classes
    for each model, which may be missing from a variant. A further model is one more column. The page with its tables
    and pictures goes into the run folder. For 24 models it takes 15 s of processor time and 0.7 GB.

        python cli.py study-imagenet-v2 --predictions ../shared/data/imagenet-predictions
        python cli.py study-imagenet-v2 --predictions published --add mine --out reports

    Attributes
    ----------
    predictions
        Folder of the tables.
    add
        Folders with tables of the same names that hold further models for the same images.
    only
        Models to keep; all when not given.
    out
        Folder for another copy of page, pictures and tables, such as docs/studies.
    replicates
        Bootstrap replicates behind the intervals.
    seed
        Seed of the bootstrap and of the simulations.
    workspace
        Where runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; that of the folder of the tables when not given.
    report
        Write report.html into the run's folder.
    """

    predictions: str
    add: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    out: str = ""
    replicates: int = 500
    seed: int = 0
    workspace: str = "workspace"
    name: str = ""
    report: Annotated[bool, Parameter(negative="--no-report")] = True

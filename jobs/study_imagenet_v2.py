"""`study-imagenet-v2`: why models lose accuracy from ImageNet to ImageNetV2, from their predictions alone."""

from dataclasses import dataclass, field
from typing import Annotated

from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.options import DATA, MODEL, Name, Out, Replicates, Seed, Workspace, WriteReport, data_root, option
from gapscope.reports.write import reported
from gapscope.runs.folder import opened
from gapscope.runs.result import RunResult

JOB, COPY = "study-imagenet-v2", "imagenet-v2"


@dataclass(frozen=True, kw_only=True)
class StudyImagenetV2Config:
    """Compare models on ImageNet validation and ImageNetV2: what they lose, on which images, and whether alike.

    Reads ``validation.parquet`` and ``v2-….parquet`` of a folder: columns image, label, and one column of best classes
    for each model, which may be missing from a replication. A further model is one more column. For 24 models it takes
    15 s of processor time and 0.7 GB.

    python cli.py study-imagenet-v2 ../shared/data/imagenet-predictions
    python cli.py study-imagenet-v2 published --add mine --out reports
    """

    tables: Annotated[str, option("Folder of the tables.", DATA, name=("--tables", "--predictions"))] = field(
        kw_only=False
    )
    add: Annotated[
        tuple[str, ...],
        option("Folders with tables of the same names that hold further models for the same images.", DATA),
    ] = ()
    models: Annotated[
        tuple[str, ...], option("Models to study; all when not given.", MODEL, name=("--models", "--only"))
    ] = ()
    out: Out = ""
    replicates: Replicates = 500
    seed: Seed = 0
    workspace: Workspace = "workspace"
    name: Name = ""
    report: WriteReport = True


def run(config: StudyImagenetV2Config, progress: Progress = SILENT) -> RunResult:
    """Read the tables, study them, save findings, tables and pictures, and word the page."""
    from gapscope.draw import png
    from gapscope.store.workspace import slug
    from gapscope.studies.replication import read_study
    from gapscope.studies.replication.findings import STEPS, findings, saved
    from gapscope.studies.replication.page import TITLE, page
    from gapscope.studies.replication.pictures import pictures
    from gapscope.studies.replication.predictions import inputs_of
    from gapscope.studies.replication.tables import results, tables
    from gapscope.studies.saved import command_of, write_page, write_study  # here, because `--help` loads no SciPy

    places = [Location.of(place).absolute() for place in (config.tables, *config.add)]
    study = read_study(places[0], places[1:], config.models)
    name = slug(config.name or places[0].name)
    with opened(Location.of(config.workspace).absolute(), JOB, name, config, inputs_of(places)) as folder:
        with folder.timed("study"), progress.task("studying", STEPS + len(study.targets), "sections") as task:
            made = findings(study, config.seed, config.replicates, task)
        with folder.timed("write"):
            drawn = {name: png(figure) for name, figure in pictures(made).items()}
            write_study(folder, saved(made) | {"command": command_of(JOB, config)}, tables(made), drawn)
        result = write_page(folder.finish(results(made), page=page), TITLE, config.out, COPY)
    return reported(result, wanted=config.report, data_root=data_root())

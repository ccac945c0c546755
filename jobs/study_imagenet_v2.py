"""`study-imagenet-v2`: why models lose accuracy from ImageNet to ImageNetV2, from their predictions alone."""

from dataclasses import field
from typing import TYPE_CHECKING, Annotated

from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.options import DATA, MODEL, Memory, Out, Replicates, Reported, configuration, data_root, option

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult

JOB, COPY, TITLE = "study-imagenet-v2", "imagenet-v2", "ImageNet against ImageNetV2"


@configuration
class StudyImagenetV2Config(Reported):
    """Compare models on ImageNet validation and ImageNetV2: what they lose, on which images, and whether alike.

    It is `study-replication` of a folder with ``validation.parquet`` and ``v2-….parquet``: columns image, label, and
    one column of best classes for each model, which may be missing from a replication. A further model is one more
    column. For 24 models it takes 15 s of processor time and 0.7 GB.

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
    memory: Memory = "2GB"


def run(config: StudyImagenetV2Config, progress: Progress = SILENT) -> "RunResult":
    """Read the tables, and study them."""
    from gapscope.core.location import Location
    from gapscope.reports.write import reported
    from gapscope.store.workspace import slug
    from gapscope.studies.memory import check_files
    from gapscope.studies.replication import read_study
    from gapscope.studies.replication.predictions import inputs_of, tables_of
    from gapscope.studies.replication.study import studied

    places = [Location.of(place).absolute() for place in (config.tables, *config.add)]
    check_files(tables_of(places), config.memory)
    study = read_study(places[0], places[1:], config.models)
    name = slug(config.name or places[0].name)
    done = studied(JOB, config, study, name, inputs_of(places), progress, title=TITLE, copy=COPY)
    return reported(done, wanted=config.report, data_root=data_root())

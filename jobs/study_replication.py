"""`study-replication`: what many models lose from one set to others of the same classes, by their predictions."""

from dataclasses import field
from typing import TYPE_CHECKING, Annotated

from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import MODEL, configuration, data_root, option

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult

JOB = "study-replication"


@configuration
class StudyReplicationConfig(options.Reported):
    """Compare many models on a set and on others of the same classes: what they lose, on which images, whether alike.

    The sets are files of predictions: wide tables with a column of best classes for each model, or one file for each
    model, of which those for the same images are taken together. Or they are sets, as dataset/split, that the given
    runs have predicted. Or they are a folder of tables for ImageNet and ImageNetV2: ``validation.parquet`` and
    ``v2-….parquet``, with columns image, label, and one for each model, which may be missing from a replication; tables
    of the same names in further folders hold more models. Three models or more; for 24 and 60,000 images it takes 15 s
    of processor time and 0.7 GB.

    python cli.py study-replication ../shared/data/imagenet-predictions
    python cli.py study-replication published mine --out reports
    python cli.py study-replication --reference cifar10.csv --target cifar10.1.csv
    python cli.py study-replication --reference validation.parquet --target v2-top-images.parquet v2-other.parquet
    python cli.py study-replication RUN RUN RUN --reference cifar10/test --target night/test
    """

    runs: options.Runs = field(default=(), kw_only=False)
    reference: options.References = ()
    target: options.Targets = ()
    models: Annotated[
        tuple[str, ...], option("Models to study; all when not given.", MODEL, name=("--models", "--only"))
    ] = ()
    out: options.Out = ""
    replicates: options.Replicates = 500
    memory: options.Memory = "2GB"


def run(config: StudyReplicationConfig, progress: Progress = SILENT) -> "RunResult":
    """Read the predictions, study them, save findings, tables and pictures, and word the page."""
    from gapscope.core.location import Location
    from gapscope.reports.write import reported
    from gapscope.store.workspace import slug
    from gapscope.studies.replication.named import read_named
    from gapscope.studies.replication.study import studied

    workspace = Location.of(config.workspace).absolute()
    asked = (config.runs, config.reference, config.target, config.models)
    study, called, inputs, title = read_named(workspace, *asked, config.memory)
    name = slug(config.name or called)
    done = studied(JOB, config, study, name, inputs, progress, title=title, copy=name)
    return reported(done, wanted=config.report, data_root=data_root())

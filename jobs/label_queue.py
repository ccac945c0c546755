"""`label-queue`: the images of a new set that are worth a label next, in order, as files to fill in."""

from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Literal

from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import METHOD, configuration, option

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult

JOB = "label-queue"


@configuration
class LabelQueueConfig(options.OnWorkers, options.Made):
    """Write the images that are worth a label next, in order, with reasons, as CSV, Parquet and Label Studio JSON.

    A fair sample by default; with `--by doubt` those that the model doubts most, the predicted classes in turn. The
    labels come back by `repair --labels FILE`. Images in `--labels` have one already and are left out.

    python cli.py label-queue fit-incremental-cifar10-softmax --target night/test --count 200
    """

    run: options.Run = field(kw_only=False)
    target: options.Target
    model: options.ModelName = ""
    count: options.ImageCount = 100
    by: Annotated[Literal["fair", "doubt"], option("A fair sample, or images that the model doubts.", METHOD)] = "fair"
    labels: options.Labels = ""
    backbone: options.Backbone = ""


def run(config: LabelQueueConfig, progress: Progress = SILENT) -> "RunResult":
    """Choose the images, and write the files."""
    from gapscope.core.location import Location
    from gapscope.evaluation.copies import with_copies
    from gapscope.evaluation.memory import check_memory
    from gapscope.evaluation.opened import open_model
    from gapscope.evaluation.recorded import recorded
    from gapscope.probes.model import RECORDED
    from gapscope.repairs.labels import read_label_file
    from gapscope.repairs.queue import ROW_BYTES, queue_of, queue_of_predictions
    from gapscope.repairs.queue_files import table_of, write
    from gapscope.repairs.queue_page import page
    from gapscope.runs.connection import connected
    from gapscope.runs.folder import opened
    from gapscope.store.workspace import slug

    workspace = Location.of(config.workspace).absolute()
    named = {"--target": config.target}
    both = open_model(workspace, config.run, named, model=config.model, backbone=config.backbone, alone=True).once()
    model, store = both.model, both.stores[0]
    labelled = with_copies(store, read_label_file(config.labels, model.class_names).sample_id if config.labels else [])
    check_memory(store, len(model.class_names), ROW_BYTES, allowed=config.memory, threads=config.threads)
    name = slug(config.name or f"{both.folder.name}-{config.target}")
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, both.inputs()) as made:
        with made.timed("choose"):
            wanted = (config.count, config.by, labelled)
            if model.rule.kind == RECORDED:
                worth = queue_of_predictions(recorded(both.folder, model, store), *wanted, seed=config.seed)
            else:
                worth = queue_of(model, store, *wanted, workers, seed=config.seed)
        write(table_of(worth, config.by, store, model.class_names), made)
        return made.finish([], notes=both.notes, page=page)

"""`export`: a map, a run, a model or a stored set as files that another tool opens."""

import json
import time
from dataclasses import asdict, field, replace
from typing import TYPE_CHECKING, Annotated

from cyclopts import validators

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.progress import SILENT, Progress
from gapscope.exports import EXPORTERS
from gapscope.jobs import options
from gapscope.jobs.options import DATA, OUTPUT, configuration, data_root, option

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.exports.subject import Written
    from gapscope.runs.result import RunResult

JOB, EXPORTS, HUB = "export", "exports", "hub"


@configuration
class ExportConfig:
    """Write a map, a run, a model or a stored set in the form of another tool, and say how it is opened.

    embedding-atlas: a map with thumbnails and neighbours. fiftyone: predictions, reasons and attributes of images.
    label-studio: tasks with predictions, errors first. torch, onnx: a linear head with its temperature folded in.
    tensorboard, mlflow: the numbers of a training. hub: a model, or a set as dataset/split, with its card; it stays on
    this machine unless --push names a repository.

        python cli.py export map-umap-cifar10-test --to embedding-atlas
        python cli.py export gap-night --to fiftyone --data-root data
        python cli.py export fit-incremental-cifar10-softmax --to onnx --out head
        python cli.py export cifar10/test --to hub --push me/cifar10-features
    """

    run: options.Run = field(kw_only=False)
    to: Annotated[str, option(f"Form: {', '.join(EXPORTERS)}.", OUTPUT)]
    model: options.ModelName = ""
    backbone: options.Backbone = ""
    limit: Annotated[
        int | None, option("Rows or images at most; all when not given.", DATA, validator=validators.Number(gte=1))
    ] = None
    out: options.Out = ""
    push: Annotated[str, option("Repository of a hub, as USER/NAME, to which the folder is sent.", OUTPUT)] = ""
    data_root: options.DataRoot = field(default_factory=data_root)
    seed: options.Seed = 0
    memory: options.Memory = "2GB"
    workspace: options.Workspace = "workspace"


def run(config: ExportConfig, progress: Progress = SILENT) -> "RunResult":
    """Write the files into a folder of their own."""
    from gapscope.blocks import Sentence
    from gapscope.runs.result import RunResult

    begun = time.perf_counter()
    if config.to not in EXPORTERS:
        raise unknown_name(EXPORTERS.kind, config.to, EXPORTERS)
    if config.push and config.to != HUB:
        raise InputError(
            f"--push sends folders of --to {HUB}, not of --to {config.to}; leave it out, or export to {HUB}"
        )
    place, written = exported(config)
    blocks = [
        Sentence(f"Wrote {written.what}.", headline=True),
        Sentence(f"To open it: {written.opens}.", headline=True),
    ]
    if config.push:
        from gapscope.exports.hub import holds_data, push

        address = push(place, config.push, of_data=holds_data(place))
        blocks.append(Sentence(f"Sent to {address}.", headline=True))
    return RunResult(JOB, str(place), time.perf_counter() - begun, blocks=blocks)


def exported(config: ExportConfig) -> "tuple[Location, Written]":
    """The folder that was written, and what was written."""
    from gapscope.core.location import Location
    from gapscope.exports.folder import written
    from gapscope.exports.subject import Subject
    from gapscope.store.workspace import slug

    workspace = Location.of(config.workspace).absolute()
    name = slug(f"{config.run.rpartition('/runs/')[2]}-{config.model}")
    place = Location.of(config.out).absolute() if config.out else workspace / EXPORTS / f"{name}-{config.to}"
    named = (config.run, config.model, config.backbone)
    subject = Subject(workspace, *named, config.limit, config.data_root, config.seed, config.memory)
    about = {"run": config.run, "model": config.model, "to": config.to}
    options = json.loads(json.dumps(asdict(replace(config, out=str(place), push="")), default=str))
    return place, written(EXPORTERS[config.to], subject, place, about, {"job": JOB, "options": options})

"""A study of replications from predictions that have been read to the finished run."""

from collections.abc import Sequence
from typing import Any

from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.draw import png
from gapscope.runs.folder import opened
from gapscope.runs.result import RunResult
from gapscope.schemas.run import Input
from gapscope.studies.replication.findings import STEPS, findings, saved
from gapscope.studies.replication.page import page
from gapscope.studies.replication.pictures import pictures
from gapscope.studies.replication.predictions import Study
from gapscope.studies.replication.tables import results, tables
from gapscope.studies.saved import command_of, write_page, write_study


def studied(
    job: str,
    config: Any,
    study: Study,
    name: str,
    inputs: Sequence[Input],
    progress: Progress,
    *,
    title: str,
    copy: str,
) -> RunResult:
    """The finished run of the command `job`: findings, tables, pictures and the page, which is called `title`; its copy
    for readers is called `copy`.
    """
    with opened(Location.of(config.workspace).absolute(), job, name, config, inputs) as folder:
        with folder.timed("study"), progress.task("studying", STEPS + len(study.targets), "sections") as task:
            made = findings(study, config.seed, config.replicates, task)
        with folder.timed("write"):
            drawn = {name: png(figure) for name, figure in pictures(made).items()}
            write_study(folder, saved(made) | {"command": command_of(job, config)}, tables(made), drawn)
        return write_page(folder.finish(results(made), page=page), title, config.out, copy)

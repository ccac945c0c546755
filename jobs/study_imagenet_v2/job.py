"""The steps of `study-imagenet-v2`: read the tables, find, write."""

from collections.abc import Mapping, Sequence
from typing import Any

from gapscope.core.hashing import digest_file
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.reported import reported
from gapscope.jobs.study_imagenet_v2.config import StudyImagenetV2Config
from gapscope.runs.folder import RunFolder, opened
from gapscope.runs.result import RunResult
from gapscope.schemas.run import Input

JOB, COPY = "study-imagenet-v2", "imagenet-v2"


def run(config: StudyImagenetV2Config, progress: Progress = SILENT) -> RunResult:
    """Study, write the page, report."""
    from gapscope.store.workspace import slug
    from gapscope.studies.replication import (
        read_study,  # here, because `--help` passes this module and these load SciPy
    )
    from gapscope.studies.replication.findings import STEPS, findings

    places = [Location.of(place).absolute() for place in (config.predictions, *config.add)]
    study = read_study(places[0], places[1:], config.only)
    name = slug(config.name or places[0].name)
    with opened(Location.of(config.workspace).absolute(), JOB, name, config, _inputs(places)) as folder:
        steps = STEPS + len(study.targets)
        with folder.timed("study"), progress.task("studying", steps, "sections") as task:
            found = findings(study, config.seed, config.replicates, task)
        with folder.timed("write"):
            notes = _write(config, found, folder)
        made = _finished(found, folder, notes)
    return reported(made, wanted=config.report)


def _inputs(places: Sequence[Location]) -> list[Input]:
    """The record that the study reads the tables of these folders."""
    from gapscope.studies.replication.predictions import tables_in

    return [_input(table) for place in places for table in tables_in(place)]


def _input(table: Location) -> Input:
    import pyarrow.parquet as pq

    with table.open_input() as file:
        made = digest_file(file)
    rows = pq.read_metadata(table.path, filesystem=table.filesystem).num_rows
    return Input(place=str(table), config_hash=made, rows=rows)


def _write(config: StudyImagenetV2Config, found: Mapping[str, Any], folder: RunFolder) -> list[str]:
    """Page, pictures and tables, into the run folder and, where asked for, a second time for a reader."""
    from gapscope.draw import png
    from gapscope.jobs.study import FIGURES, PAGE, Leaves, command_of
    from gapscope.studies.replication.findings import told
    from gapscope.studies.replication.page import page
    from gapscope.studies.replication.pictures import pictures
    from gapscope.studies.replication.tables import parquet, tables

    figures = {name: png(figure) for name, figure in pictures(found).items()}
    leaves = Leaves(told(found), {name: parquet(table) for name, table in tables(found).items()}, figures)
    command = command_of(JOB, config)
    leaves.write(folder.place, folder.place / FIGURES)
    (folder.place / PAGE).write_text(page(found, FIGURES, command, figures, ""))
    if not config.out:
        return []
    out = Location.of(config.out)
    leaves.write(out / COPY, out / COPY)
    (out / f"{COPY}.md").write_text(page(found, COPY, command, figures))
    return [f"page: {out / COPY}.md, with {len(figures)} pictures and the tables in {out / COPY}"]


def _finished(found: Mapping[str, Any], folder: RunFolder, notes: Sequence[str]) -> RunResult:
    from gapscope.jobs.study_imagenet_v2.told import lost_table, results_of

    return folder.finish(results_of(found), [lost_table(found)], notes)

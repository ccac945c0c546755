"""The steps of `study-modifications`: train, read what was predicted, find, write."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.reported import reported
from gapscope.jobs.study_modifications.config import StudyModificationsConfig
from gapscope.runs.folder import RunFolder, opened
from gapscope.runs.result import RunResult

if TYPE_CHECKING:
    from gapscope.jobs.study import Cell
    from gapscope.jobs.study_modifications.sets import Modified

JOB = "study-modifications"


def run(config: StudyModificationsConfig, progress: Progress = SILENT) -> RunResult:
    """Train whatever is not trained yet, then study all of it."""
    from gapscope.jobs.study import run_cells
    from gapscope.jobs.study_modifications.sets import sets_of
    from gapscope.jobs.study_modifications.trainings import cells_of
    from gapscope.store.workspace import slug  # here, because `--help` passes this module and these load Arrow

    sets = sets_of(config)
    cells = cells_of(config, sets)
    name = slug(config.name or f"{sets[0].dataset.name}-{config.preset or config.network or 'simple-cnn'}")
    with opened(Location.of(config.workspace).absolute(), JOB, name, config) as folder:
        with folder.timed("train"):
            run_cells(cells, config, progress)
        with folder.timed("study"):
            found = _studied(config, sets, cells, folder, progress)
    return reported(found, wanted=config.report, images=config.data_root)


def _studied(
    config: StudyModificationsConfig,
    sets: "Sequence[Modified]",
    cells: "Sequence[Cell]",
    folder: RunFolder,
    progress: Progress,
) -> RunResult:
    from gapscope.jobs.study_modifications.told import accuracy_table, notes_of, results_of
    from gapscope.studies.modifications import Training, Trial, read_answers
    from gapscope.studies.modifications.findings import STEPS, findings

    learnt = {one.name: one.dataset.name for one in sets}
    answers = read_answers(
        [Training(one.name, one.place, learnt.get(one.name, sets[0].dataset.name), config.split) for one in cells],
        [Trial(one.name, one.dataset.name, config.test_split) for one in sets],
    )
    folder.inputs.extend(cell.record() for cell in cells)
    about = {
        "dataset": sets[0].dataset.name,
        "split": config.split,
        "test_split": config.test_split,
        "network": cells[0].manifest()["config"]["network"],
        "runs": {cell.name: cell.place.name for cell in cells},
    }
    with progress.task("studying", STEPS, "sections") as task:
        found = findings(answers, about, task)
    notes = [*notes_of(found), *_write(config, sets, found, folder)]
    return folder.finish(results_of(found, sets), [accuracy_table(found)], notes)


def _write(
    config: StudyModificationsConfig, sets: "Sequence[Modified]", found: Mapping[str, Any], folder: RunFolder
) -> list[str]:
    """Page, pictures and tables, into the run folder and, where asked for, a second time for a reader."""
    from gapscope.draw import png
    from gapscope.jobs.study import FIGURES, PAGE, Leaves, command_of
    from gapscope.jobs.study_modifications.sets import samples
    from gapscope.store.workspace import slug
    from gapscope.studies.modifications.findings import plain
    from gapscope.studies.modifications.page import page
    from gapscope.studies.modifications.pictures import pictures
    from gapscope.studies.modifications.tables import tables
    from gapscope.studies.replication.tables import parquet

    names, shown = samples(sets, config.test_split)
    figures = {name: png(figure) for name, figure in pictures(found, shown, names).items()}
    leaves = Leaves(plain(found), {name: parquet(table) for name, table in tables(found).items()}, figures)
    command = command_of(JOB, config)
    leaves.write(folder.place, folder.place / FIGURES)
    (folder.place / PAGE).write_text(page(found, FIGURES, command, figures))
    if not config.out:
        return []
    out, called = Location.of(config.out), slug(f"modifications-{sets[0].dataset.name}")
    leaves.write(out / called, out / called)
    (out / f"{called}.md").write_text(page(found, called, command, figures))
    return [f"page: {out / called}.md"]

"""The steps of `study-modifications`: train, read what was predicted, find, write."""

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from jobs.folder import RunFolder, opened
from jobs.report import Report
from jobs.reported import reported
from jobs.study_modifications.config import StudyModificationsConfig
from schemas.run import Input

if TYPE_CHECKING:
    from jobs.study_modifications.sets import Modified
    from jobs.study_modifications.trainings import Cell

JOB, PAGE, STUDY, FIGURES = "study-modifications", "study.md", "study.json", "figures"


def run(config: StudyModificationsConfig, progress: Progress = SILENT) -> Report:
    """Train whatever is not trained yet, then study all of it."""
    from engine.store.workspace import slug  # here, because `--help` passes this module and these load Arrow
    from jobs.study_modifications.sets import sets_of
    from jobs.study_modifications.trainings import cells_of, run_cells

    sets = sets_of(config)
    cells = cells_of(config, sets)
    name = slug(config.name or f"{sets[0].dataset.name}-{config.preset or config.network or 'simple-cnn'}")
    with opened(Location.of(config.workspace).absolute(), JOB, name, config) as folder:
        with folder.timed("train"):
            run_cells(cells, config, progress)
        with folder.timed("study"):
            found = _studied(config, sets, cells, folder, progress)
    return reported(found, wanted=config.report)


def _studied(
    config: StudyModificationsConfig,
    sets: "Sequence[Modified]",
    cells: "Sequence[Cell]",
    folder: RunFolder,
    progress: Progress,
) -> Report:
    from engine.report.modifications import Training, Trial, read_answers
    from engine.report.modifications.findings import STEPS, findings
    from jobs.study_modifications.told import accuracy_table, notes_of, results_of

    answers = read_answers(
        [Training(cell.name, cell.place, cell.dataset, config.split) for cell in cells],
        [Trial(one.name, one.dataset.name, config.test_split) for one in sets],
    )
    manifests = [cell.manifest() for cell in cells]
    folder.inputs.extend(_input(cell, one) for cell, one in zip(cells, manifests, strict=True))
    about = {
        "dataset": sets[0].dataset.name,
        "split": config.split,
        "test_split": config.test_split,
        "network": manifests[0]["config"]["network"],
        "runs": {cell.name: cell.place.name for cell in cells},
    }
    with progress.task("studying", STEPS, "sections") as task:
        found = findings(answers, about, task)
    notes = [*notes_of(found), *_write(config, sets, found, folder)]
    return folder.finish(results_of(found, sets), [accuracy_table(found)], notes)


def _input(cell: "Cell", manifest: Mapping[str, Any]) -> Input:
    """The record that the study reads a training: the hash of its options, and the images it learnt from."""
    settings = json.dumps(manifest["config"], sort_keys=True).encode()
    rows = manifest["inputs"][0]["rows"]
    return Input(place=str(cell.place), config_hash=blake2b(settings, digest_size=16).hexdigest(), rows=rows)


def _write(
    config: StudyModificationsConfig, sets: "Sequence[Modified]", found: Mapping[str, Any], folder: RunFolder
) -> list[str]:
    """Page, pictures and tables, into the run folder and, where asked for, a second time for a reader."""
    from engine.draw import png
    from engine.report.modifications.findings import plain
    from engine.report.modifications.page import page
    from engine.report.modifications.pictures import pictures
    from engine.report.modifications.tables import tables
    from engine.report.study.tables import parquet
    from engine.store.workspace import slug
    from jobs.study_modifications.sets import samples
    from jobs.study_modifications.told import command_of

    names, shown = samples(sets, config.test_split)
    figures = {name: png(figure) for name, figure in pictures(found, shown, names).items()}
    files = {f"{name}.parquet": parquet(table) for name, table in tables(found).items()}
    files[STUDY] = json.dumps(plain(found), indent=1, allow_nan=False).encode()
    _fill(folder.place, files)
    _fill(folder.place / FIGURES, {f"{name}.png": content for name, content in figures.items()})
    (folder.place / PAGE).write_text(page(found, FIGURES, command_of(config), figures))
    if not config.out:
        return []
    out, called = Location.of(config.out), slug(f"modifications-{sets[0].dataset.name}")
    _fill(out / called, files | {f"{name}.png": content for name, content in figures.items()})
    (out / f"{called}.md").write_text(page(found, called, command_of(config), figures))
    return [f"page: {out / called}.md"]


def _fill(place: Location, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (place / name).write_atomically(lambda file, content=content: file.write(content))

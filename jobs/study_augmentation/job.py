"""The steps of `study-augmentation`: make images, train, read what was predicted, find, write."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.reported import reported
from gapscope.jobs.study_augmentation.config import StudyAugmentationConfig
from gapscope.runs.folder import RunFolder, opened
from gapscope.runs.result import RunResult

if TYPE_CHECKING:
    from gapscope.jobs.study import Cell
    from gapscope.jobs.study_augmentation.sets import Studied, SyntheticSet

JOB, SHEET = "study-augmentation", "contact"


def run(config: StudyAugmentationConfig, progress: Progress = SILENT) -> RunResult:
    """Make the synthetic sets, trainings and last layers that are not there yet, then study all of it."""
    from gapscope.jobs.study import run_cells
    from gapscope.jobs.study_augmentation.heads import features_of, heads_of, run_heads
    from gapscope.jobs.study_augmentation.sets import make_sets, sets_of, studied
    from gapscope.jobs.study_augmentation.trainings import cells_of, check_remedies
    from gapscope.store.workspace import slug  # here, because `--help` passes this module and these load Arrow

    check_remedies(config)
    features_of(config)
    what = studied(config)
    sets = sets_of(config, what)
    name = slug(config.name or f"{what.dataset.name}-{config.preset or config.network or 'simple-cnn'}")
    with opened(Location.of(config.workspace).absolute(), JOB, name, config) as folder:
        with folder.timed("make images"):
            make_sets(sets, config, progress)
        cells = cells_of(config, what, sets)
        with folder.timed("train"):
            run_cells(cells, config, progress)
        heads = heads_of(config, what, cells[0], progress)
        with folder.timed("learn last layers"):
            run_heads(heads, config, progress)
        with folder.timed("study"):
            found = _studied(config, what, sets, [*cells, *heads], folder, progress)
    return reported(found, wanted=config.report, images=config.data_root)


def _studied(
    config: StudyAugmentationConfig,
    what: "Studied",
    sets: "Sequence[SyntheticSet]",
    cells: "Sequence[Cell]",
    folder: RunFolder,
    progress: Progress,
) -> RunResult:
    import numpy as np
    from gapscope.jobs.study_augmentation.sets import told_of
    from gapscope.jobs.study_augmentation.told import ranking_table, results_of
    from gapscope.studies.augmentation import Training, read_answers
    from gapscope.studies.augmentation.findings import findings
    from gapscope.studies.augmentation.verdict import verdict

    listing = what.dataset.source(config.split).listing
    counts = np.bincount(listing.labels[listing.labels >= 0], minlength=len(listing.class_names))
    trainings = [Training(cell.name, cell.kind, cell.place) for cell in cells]
    answers = read_answers(trainings, what.dataset.name, config.test_split, counts)
    folder.inputs.extend(cell.record() for cell in cells)
    about = {
        "dataset": what.dataset.name,
        "split": config.split,
        "test_splits": list(config.test_split),
        "network": config.network or cells[0].manifest()["config"]["network"],
        "augment": " ".join(config.augment),
        "epochs": config.epochs,
        "runs": {cell.name: cell.place.name for cell in cells},
    }
    with progress.task("studying", len(cells), "trainings") as task:
        found = findings(answers, about, [told_of(one) for one in sets], task)
    notes = [line.replace("**", "") for line in verdict(found)]
    notes += _write(config, sets, found, folder)
    return folder.finish(results_of(found), [ranking_table(found)], notes)


def _write(
    config: StudyAugmentationConfig, sets: "Sequence[SyntheticSet]", found: Mapping[str, Any], folder: RunFolder
) -> list[str]:
    """Page, pictures and tables, into the run folder and, where asked for, a second time for a reader."""
    from gapscope.draw import png
    from gapscope.jobs.study import FIGURES, PAGE, Leaves, command_of
    from gapscope.store.workspace import slug
    from gapscope.studies.augmentation.page import page
    from gapscope.studies.augmentation.pictures import pictures
    from gapscope.studies.augmentation.tables import tables
    from gapscope.studies.modifications.findings import plain
    from gapscope.studies.replication.tables import parquet

    figures = {name: png(figure) for name, figure in pictures(found).items()} | _sheets(sets)
    leaves = Leaves(plain(found), {name: parquet(table) for name, table in tables(found).items()}, figures)
    command = command_of(JOB, config)
    leaves.write(folder.place, folder.place / FIGURES)
    (folder.place / PAGE).write_text(page(found, FIGURES, command, figures))
    if not config.out:
        return []
    out, called = Location.of(config.out), slug(f"augmentation-{found['dataset']}")
    leaves.write(out / called, out / called)
    (out / f"{called}.md").write_text(page(found, called, command, figures))
    return [f"page: {out / called}.md"]


def _sheets(sets: "Sequence[SyntheticSet]") -> dict[str, bytes]:
    """The contact sheet of the first set of each method."""
    from gapscope.jobs.study import FIGURES

    found: dict[str, bytes] = {}
    for one in sets:
        place = one.run / FIGURES / f"{SHEET}.png"
        name = f"{SHEET}-{one.options['method']}"
        if name not in found and place.exists():
            found[name] = place.read_bytes()
    return found

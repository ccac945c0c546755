"""The steps of `augment`: learn, sample, judge, write."""

from typing import TYPE_CHECKING, Any

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.augment.config import AugmentConfig
from gapscope.runs.folder import RunFolder, opened
from gapscope.runs.result import RunResult
from gapscope.schemas.run import Input

if TYPE_CHECKING:
    from gapscope.data.dataset import Dataset
    from gapscope.data.source import Source
    from gapscope.jobs.augment.lesson import Lesson

JOB, FIGURES = "augment", "figures"


def run(config: AugmentConfig, progress: Progress = SILENT) -> RunResult:
    """Check what is asked for, then make, judge and write the images; rows, by a method for embeddings."""
    from gapscope.generators.features import FEATURE_GENERATORS
    from gapscope.jobs.augment.learnt import method_of
    from gapscope.jobs.augment.lesson import opened as opened_split
    from gapscope.store.workspace import slug  # here, because `--help` passes this module and these load torch

    workspace = Location.of(config.workspace).absolute()
    if not 1 <= config.surplus < float("inf"):
        raise InputError(f"--surplus is {config.surplus}; give a number from 1 on")
    if config.method in FEATURE_GENERATORS:
        from gapscope.jobs.augment.features import run_features

        return run_features(config, workspace, progress)
    if not workspace.is_local:
        raise InputError(f"--workspace is {config.workspace}; synthetic images are written to a folder of this machine")
    method_of(config)
    dataset, source = opened_split(config)
    made = source.listing.fingerprint()
    record = Input(place=dataset.place, config_hash=made.hash, rows=made.count)
    name = f"{slug(dataset.name)}-{slug(config.name or f'{config.method}-{config.balance}')}"
    with opened(workspace, JOB, name, config, [record]) as folder:
        return _made(config, dataset, source, folder, workspace, progress)


def _made(
    config: AugmentConfig,
    dataset: "Dataset",
    source: "Source",
    folder: RunFolder,
    workspace: Location,
    progress: Progress,
) -> RunResult:
    import numpy as np
    from gapscope.data.synthetic import FOLDER, sets_folder
    from gapscope.jobs.augment.judged import judged
    from gapscope.jobs.augment.learnt import learnt
    from gapscope.jobs.augment.lesson import lesson_of
    from gapscope.jobs.augment.samples import sampled, usable_classes
    from gapscope.jobs.augment.sheets import sheets_of
    from gapscope.jobs.augment.told import classes_table, notes_of, results_of
    from gapscope.jobs.augment.written import counted, table_of, write_set
    from gapscope.store.workspace import slug

    with folder.timed("decode"):
        lesson = lesson_of(config, dataset, source, progress)
    progress.say(f"learning from {len(lesson.rows.train):,} images; {len(lesson.rows.validation):,} are kept away")
    with folder.timed("train"):
        generator = learnt(config, lesson, workspace, progress)
    wanted, refused = usable_classes(generator.generator, lesson.wanted, lesson.class_names)
    with folder.timed("sample"):
        counts = np.ceil(wanted * config.surplus).astype(np.int64)
        samples = sampled(config, generator, counts, lesson.class_names, progress)
    with folder.timed("check"):
        found = judged(config, lesson, generator, samples, workspace, progress)
    table = table_of(found.filtered.table, lesson, wanted)
    called = folder.place.name.removeprefix(f"{JOB}-{slug(dataset.name)}-")
    place = sets_folder(workspace, dataset.name) / called
    with folder.timed("write"):
        write_set(place, table, samples, lesson, _record(config, lesson, generator.mark), progress)
        for sheet in sheets_of(table, samples, lesson, f"{dataset.name}: {config.method}"):
            picture = folder.place / FIGURES / f"{sheet.name}.png"
            picture.write_atomically(lambda file, sheet=sheet: file.write(sheet.content))
    name = f"{dataset.name}+{FOLDER}:{called}"
    where = {"dataset": name, "split": config.split, "model": config.method}
    kept = np.bincount(table["class"].to_numpy(), table["kept"].to_numpy(), minlength=len(wanted))
    short = [lesson.class_names[label] for label in np.flatnonzero(kept < wanted)]
    notes = [*lesson.notes, *refused, *notes_of(found, counted(table), short)]
    if kept.any():
        size = max(lesson.frame.size)
        notes.append(f"Next: python cli.py train-cnn --dataset {config.dataset}+{FOLDER}:{called} --image-size {size}")
    results = results_of(where, found, table, lesson.class_names)
    return folder.finish(results, [classes_table(table, lesson.class_names, lesson.counts, wanted)], notes)


def _record(config: AugmentConfig, lesson: "Lesson", mark: str) -> dict[str, Any]:
    """What the set's manifest says of its making."""
    return {
        "job": JOB,
        "dataset": lesson.dataset.name,
        "learnt": len(lesson.rows.train),
        "split": config.split,
        "method": config.method,
        "balance": config.balance,
        "seed": config.seed,
        "validation": config.validation,
        "mark": mark,
    }

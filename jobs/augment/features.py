"""The steps of `augment` for embeddings: learn from stored rows, make, judge, join with the real ones."""

from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pyarrow as pa
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.data.synthetic import FOLDER as SYNTHETIC
from gapscope.data.synthetic import finished_sets
from gapscope.generators.feature_generator import FeatureMethod
from gapscope.generators.feature_joined import Joint, write_joined
from gapscope.generators.feature_store import order_of, write_features
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.jobs.augment.config import AugmentConfig
from gapscope.jobs.augment.judged import Judged
from gapscope.jobs.augment.learnt import CHECKPOINT, FOLDER, MARK, recipe_asked
from gapscope.jobs.augment.rows import RowsLesson, rows_lesson, unseen_rows
from gapscope.jobs.augment.told import classes_table, notes_of, results_of
from gapscope.jobs.augment.written import counted, needed, write_table
from gapscope.realism import FilterOptions, Origin, Sets, assess, filter_rows
from gapscope.runs.connection import connected
from gapscope.runs.folder import RunFolder, input_of, opened
from gapscope.runs.result import RunResult, Table
from gapscope.schemas.results import Result
from gapscope.store import EmbeddingStore, open_store
from gapscope.store.selected import rows_of
from gapscope.store.workspace import slug, store_folder
from gapscope.store.write import MANIFEST, read_manifest
from gapscope.stream import Workers

JOB, TABLE = "augment", "synthetic.parquet"
OF_ROWS = "The method makes new rows of training rows, so likeness to these is its nature, and none is left out for it."
# Options that have a meaning for images alone.
OF_IMAGES = ("image_size", "weights", "backbone_args", "classes", "labels")


@dataclass(frozen=True)
class Work:
    """What the steps of a run have in common."""

    config: AugmentConfig
    method: FeatureMethod
    recipe: Any
    lesson: RowsLesson
    workspace: Location
    workers: Workers
    progress: Progress

    @property
    def counts(self) -> dict[int, int]:
        """How many rows to make of each class: more than are wanted, because some are left out."""
        wanted = self.lesson.wanted
        return {label: int(np.ceil(wanted[label] * self.config.surplus)) for label in self.lesson.labels}


def run_features(config: AugmentConfig, workspace: Location, progress: Progress) -> RunResult:
    """Check what is asked for, then make, judge and join the rows."""
    for one in fields(config):
        if one.name in OF_IMAGES and getattr(config, one.name) != one.default:
            raise InputError(
                f"--{one.name.replace('_', '-')} is for methods that make images; {config.method} makes rows out of "
                "stored embeddings: leave it out"
            )
    method = FEATURE_GENERATORS[config.method]
    recipe = recipe_asked(config)
    lesson = rows_lesson(config, method, workspace)
    name = f"{slug(lesson.dataset)}-{slug(config.name or f'{config.method}-{config.balance}')}"
    record = input_of(lesson.store)
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, [record]) as folder:
        return _made(Work(config, method, recipe, lesson, workspace, workers, progress), folder)


def _made(work: Work, folder: RunFolder) -> RunResult:
    config, lesson, progress = work.config, work.lesson, work.progress
    called = folder.place.name.removeprefix(f"{JOB}-{slug(lesson.dataset)}-")
    if called in finished_sets(work.workspace, lesson.dataset):
        raise InputError(f"{lesson.dataset} has synthetic images that are called {called}; give another --name")
    name = f"{lesson.dataset}+{SYNTHETIC}:{called}"
    progress.say(f"learning from {lesson.train.rows:,} rows; {lesson.unseen.rows:,} are kept away")
    with folder.timed("make"):
        samples = samples_of(work)
    with folder.timed("check"):
        found = _judged(work, samples)
    table = _named(needed(found.filtered.table, lesson.wanted), samples, lesson)
    write_table(folder.place / TABLE, table)
    with folder.timed("write"):
        kept = rows_of(samples, table["kept"].to_numpy(), "those that passed the checks")
        place = store_folder(work.workspace, lesson.store.provenance.backbone, name, config.split)
        joint = Joint(lesson.store, kept, lesson.unseen.rows)
        write_joined(place, joint, name, config.seed, _version(), progress=progress)
    return folder.finish(*_told(work, name, found, table))


def _told(work: Work, name: str, found: Judged, table: pa.Table) -> tuple[list[Result], list[Table], list[str]]:
    """Results, tables and notes of a run."""
    config, lesson = work.config, work.lesson
    good = np.bincount(table["class"].to_numpy(), table["kept"].to_numpy(), minlength=len(lesson.wanted))
    short = [lesson.class_names[label] for label in np.flatnonzero(good < lesson.wanted)]
    backbone = lesson.store.provenance.backbone
    then = f"Next: python cli.py fit-incremental --dataset {name} --split {config.split} --backbone {backbone}"
    where = {"dataset": name, "split": config.split, "model": config.method}
    notes = [*lesson.notes, *notes_of(found, counted(table), short, "rows")]
    return (
        results_of(where, found, table, lesson.class_names),
        [classes_table(table, lesson.class_names, lesson.counts, lesson.wanted, "rows")],
        [*notes, *([OF_ROWS] if work.method.of_rows else []), then],
    )


def samples_of(work: Work) -> EmbeddingStore:
    """A store of all rows to be made; where it is finished, nothing is learnt again.

    What a training has reached is kept by what it learnt from, so that other balances use it again.
    """
    method, lesson, seed = work.method, work.lesson, work.config.seed
    made_of = [method.name, asdict(work.recipe), lesson.store.manifest.config_hash, lesson.train.rows]
    place = work.workspace / FOLDER / f"{method.name}-{digest_json(made_of)[:MARK]}"
    target = place / f"samples-{digest_json([*made_of, sorted(work.counts.items()), seed])[:MARK]}"
    if (target / MANIFEST).exists() and read_manifest(target).complete:
        work.progress.say(f"the rows are made already: {target}")
        return open_store(target)
    checkpoint = FolderCheckpoint(place / CHECKPOINT)
    generator = method.train(lesson.train, lesson.labels, work.workers, work.recipe, checkpoint, work.progress)
    real = lesson.store.provenance
    return write_features(target, generator, work.counts, seed, real, _version(), progress=work.progress)


def _judged(work: Work, samples: EmbeddingStore) -> Judged:
    """The checks of `gapscope.realism` on all rows made; ``4 d n (n + m)`` flops for n real and m new ones."""
    config, lesson = work.config, work.lesson
    sets = Sets(lesson.labelled, samples.view(), unseen_rows(lesson, work.workspace))
    origin = Origin(work.method.name, config.seed, order_of(work.counts, config.seed).index)
    options = FilterOptions(keep_copies=config.keep_copies or work.method.of_rows, seed=config.seed)
    filtered = filter_rows(sets, origin, work.workers, options, progress=work.progress)
    verdicts = assess(sets, filtered.copies, filtered.agreement, work.workers, seed=config.seed, progress=work.progress)
    return Judged(filtered, verdicts, lesson.store.provenance.backbone)


def _named(table: pa.Table, samples: EmbeddingStore, lesson: RowsLesson) -> pa.Table:
    """The table with names beside numbers: the classes, and the rows' paths in the store."""
    names = [lesson.class_names[label] for label in table["class"].to_pylist()]
    paths = [path for piece in samples.view().pieces(2**16) for path in samples.paths(piece)]
    return table.append_column("class_name", pa.array(names)).append_column("path", pa.array(paths))


def _version() -> str:
    try:
        return version("gapscope")
    except PackageNotFoundError:
        return "unknown"

"""Synthetic rows of embeddings, step by step: train on stored rows, make new ones, check, join with the real ones."""

from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.errors import InputError
from gapscope.core.files import write_json
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.program import called, version_of
from gapscope.core.progress import Progress
from gapscope.core.text import counted
from gapscope.data.synthetic import FOLDER as SYNTHETIC
from gapscope.data.synthetic import finished_sets
from gapscope.generators.feature_generator import FeatureMethod
from gapscope.generators.feature_joined import Joint, write_joined
from gapscope.generators.feature_store import order_of, write_features
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.realism import FilterOptions, Origin, Sets, assess, filter_rows
from gapscope.runs.folder import RunFolder
from gapscope.runs.result import RunResult
from gapscope.store import EmbeddingStore, open_store
from gapscope.store.selected import rows_of
from gapscope.store.workspace import slug, store_folder
from gapscope.store.write import MANIFEST, read_manifest
from gapscope.stream import Workers
from gapscope.synthesis.image_set import needed
from gapscope.synthesis.page import SUMMARY, page
from gapscope.synthesis.quality import Quality
from gapscope.synthesis.report import results_of, summary_of, warnings_of
from gapscope.synthesis.request import Request
from gapscope.synthesis.trained import CHECKPOINT, FOLDER, MARK
from gapscope.synthesis.training_rows import TrainingRows, held_rows

TABLE = "synthetic.parquet"
OF_ROWS = "The method makes new rows of training rows, so likeness to these is its nature, and none is left out for it."


@dataclass(frozen=True)
class Work:
    """What the steps of a run have in common."""

    request: Request
    data: TrainingRows
    workspace: Location
    workers: Workers
    progress: Progress

    @property
    def method(self) -> FeatureMethod:
        """The method that makes the rows."""
        return FEATURE_GENERATORS[self.request.method]

    @property
    def counts(self) -> dict[int, int]:
        """How many rows to make of each class: more than are wanted, because some are left out."""
        wanted = self.data.wanted
        return {label: int(np.ceil(wanted[label] * self.request.surplus)) for label in self.data.labels}


def make_rows(work: Work, folder: RunFolder) -> RunResult:
    """Make the rows of the run in `folder`; their set is called as the run is."""
    request, data, progress = work.request, work.data, work.progress
    own = folder.place.name.removeprefix(f"{folder.job}-{slug(data.dataset)}-")
    if own in finished_sets(work.workspace, data.dataset):
        raise InputError(f"{data.dataset} has synthetic images that are called {own}; give another --name")
    name = f"{data.dataset}+{SYNTHETIC}:{own}"
    progress.say(f"training on {counted(data.train.rows, 'row')}; {data.held.rows:,} are kept away")
    with folder.timed("make"):
        samples = samples_of(work)
    with folder.timed("check"):
        quality = _quality(work, samples)
    table = _named(needed(quality.filtered.table, data.wanted), samples, data)
    folder.write_table(TABLE, table)
    backbone = data.store.provenance.backbone
    with folder.timed("write"):
        passed = rows_of(samples, table["kept"].to_numpy(), "those that passed the checks")
        place = store_folder(work.workspace, backbone, name, request.split)
        joint = Joint(data.store, passed, data.held.rows)
        write_joined(place, joint, name, request.seed, version_of(), progress=progress)
    command = f"{called()} fit-incremental {name} --split {request.split} --backbone {backbone}"
    summary = summary_of(quality, table, data.class_names, data.counts, data.wanted, "rows") | {"next": command}
    write_json(folder.place / f"{SUMMARY}.json", summary)
    of_set = {"dataset": name, "split": request.split, "model": request.method}
    notes = [*data.notes, *warnings_of(quality), *([OF_ROWS] if work.method.of_rows else [])]
    return folder.finish(results_of(of_set, quality, table, data.class_names), notes=notes, page=page)


def samples_of(work: Work) -> EmbeddingStore:
    """A store of all rows to be made; where it is finished, nothing is trained again.

    What a training has reached is stored by what it was trained on, so that other balances use it again.
    """
    method, data, seed, recipe = work.method, work.data, work.request.seed, work.request.recipe
    made_of = [method.name, asdict(recipe), data.store.manifest.config_hash, data.train.rows]
    place = work.workspace / FOLDER / f"{method.name}-{digest_json(made_of)[:MARK]}"
    target = place / f"samples-{digest_json([*made_of, sorted(work.counts.items()), seed])[:MARK]}"
    if (target / MANIFEST).exists() and read_manifest(target).complete:
        work.progress.say(f"the rows are made already: {target}")
        return open_store(target)
    checkpoint = FolderCheckpoint(place / CHECKPOINT)
    generator = method.train(data.train, data.labels, work.workers, recipe, checkpoint, work.progress)
    real = data.store.provenance
    return write_features(target, generator, work.counts, seed, real, version_of(), progress=work.progress)


def _quality(work: Work, samples: EmbeddingStore) -> Quality:
    """The checks of `gapscope.realism` on all rows made; ``4 d n (n + m)`` flops for n real and m new ones."""
    request, data = work.request, work.data
    sets = Sets(data.labelled, samples.view(), held_rows(data, work.workspace))
    origin = Origin(work.method.name, request.seed, order_of(work.counts, request.seed).index)
    options = FilterOptions(keep_copies=request.keep_copies or work.method.of_rows, seed=request.seed)
    filtered = filter_rows(sets, origin, work.workers, options, progress=work.progress)
    verdicts = assess(
        sets, filtered.copies, filtered.agreement, work.workers, seed=request.seed, progress=work.progress
    )
    return Quality(filtered, verdicts, data.store.provenance.backbone)


def _named(table: pa.Table, samples: EmbeddingStore, data: TrainingRows) -> pa.Table:
    """The table with names beside numbers: the classes, and the rows' paths in the store."""
    names = [data.class_names[label] for label in table["class"].to_pylist()]
    paths = [path for piece in samples.view().pieces(2**16) for path in samples.paths(piece)]
    return table.append_column("class_name", pa.array(names)).append_column("path", pa.array(paths))

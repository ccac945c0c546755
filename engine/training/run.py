"""A run that trains one model or several on a stored split, and continues where a kill has interrupted it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from gapscope.core.budget import parse_bytes
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.chunk import Chunk
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.core.text import counted
from gapscope.evaluation import measure
from gapscope.evaluation.predict import outcomes_of, predictions
from gapscope.evaluation.settings import held_out_result, setting_results
from gapscope.evaluation.stored import evaluate
from gapscope.probes.model import DESCRIPTION, Classifier, load_model
from gapscope.probes.train import train
from gapscope.runs.connection import check_worker_memory, connected
from gapscope.runs.folder import RunFolder, input_of, opened
from gapscope.runs.result import RunResult
from gapscope.runs.run import CHECKPOINT, MODELS
from gapscope.schemas.results import Result
from gapscope.store.comparable import meaning_of
from gapscope.store.workspace import slug
from gapscope.stream import Workers, fold
from gapscope.summaries.outcomes import Outcomes
from gapscope.training.candidates import Candidate, check_candidates
from gapscope.training.coverage import missing
from gapscope.training.memory import check_memory, on_a_worker
from gapscope.training.page import page
from gapscope.training.rows import TrainingOptions, TrainingRows, datasets_of, rounds_of

# Accuracy on training rows is that of the first of them, which are a fair sample: rows are shuffled.
TRAINING_SAMPLE = 10_000


class Run(NamedTuple):
    """What the candidates of a run have in common."""

    rows: TrainingRows
    checkpoint_seconds: float
    folder: RunFolder
    workers: Workers
    progress: Progress


class Trained(NamedTuple):
    """What a run says of a model that it has trained and evaluated; the model itself is on disk.

    Attributes
    ----------
    results
        Its metrics on the test sets, on held-out rows and on training rows.
    settings
        Those of each setting that was tried.
    """

    results: list[Result]
    settings: list[Result]
    notes: list[str]


def run_training(job: str, config: TrainingOptions, candidates: Sequence[Candidate], progress: Progress) -> RunResult:
    """Train, save, predict and measure the candidates, one after the other."""
    check_candidates(candidates)
    workspace = Location.of(config.workspace).absolute()
    rounds = rounds_of(workspace, config)
    for rows in rounds:
        check_memory(parse_bytes(config.memory), candidates, rows, config.threads)
    members = "+".join(dict.fromkeys(one.member for one in candidates))
    name = slug(config.name or f"{'+'.join(datasets_of(config))}-{members}")
    inputs = {str(one.folder): input_of(one) for rows in rounds for one in rows.sources}
    inputs |= {str(one.folder): input_of(one) for rows in rounds for one in rows.tests}
    read = [*inputs.values(), *rounds[0].chosen.inputs]
    with connected(config, progress) as workers, opened(workspace, job, name, config, read) as folder:
        check_worker_memory(workers, on_a_worker(rounds[0].store), f"reading {rounds[0].store.name}")
        each = [(replace(one, without=rows.without), rows) for rows in rounds for one in candidates]
        places = places_of(folder.place, [one for one, _ in each])
        trained = [
            _trained(one, place, Run(rows, config.checkpoint_seconds, folder, workers, progress))
            for (one, rows), place in zip(each, places, strict=True)
        ]
        results, settings, notes = (list(chain.from_iterable(parts)) for parts in zip(*trained, strict=True))
        notes = [*(note for rows in rounds for note in rows.notes), *notes]
        return folder.finish(results, kept=settings, notes=notes, page=page)


def places_of(run: Location, candidates: Sequence[Candidate]) -> list[Location]:
    """The folder of each model: the run folder itself for a single one."""
    if len(candidates) == 1:
        return [run]
    return [run / MODELS / slug(one.title) for one in candidates]


def _trained(one: Candidate, place: Location, run: Run) -> Trained:
    """Train and evaluate a candidate in the folder `place`."""
    model = model_of(one, place, run)
    made = run.rows.store.provenance
    with run.folder.timed(_lap("evaluate", one, place, run)):
        tested = [evaluate(model, one.title, test, place, run.workers, run.progress) for test in run.rows.tests]
        seen = _on_training_rows(model, one.title, run)
    without_rows = missing(model.details, model.class_names)
    return Trained(
        [
            *(result for evaluation in tested for result in evaluation.results),
            *held_out_result(one.title, model.details, made.dataset, made.split),
            *seen,
        ],
        setting_results(one.title, model.details, made.dataset, made.split),
        [f"{one.title}: {without_rows}"] * bool(without_rows)
        + [note for evaluation in tested for note in evaluation.notes],
    )


def _on_training_rows(model: Classifier, title: str, run: Run) -> list[Result]:
    """How well the model fits its own training rows: far better than others means that it has overfitted."""
    view, made = run.rows.train, run.rows.store.provenance
    sample = view.store.view(view.start, min(view.stop, view.start + TRAINING_SAMPLE))
    classes = len(model.class_names)
    counts = fold(sample, _Counts(model, classes), run.workers)
    if counts is None or not counts.n:
        return []
    measured = measure(counts, made.dataset, made.split, title, model.class_names)
    return [result for result in measured if result.class_name is None]


class _Counts(NamedTuple):
    """Picklable: what a model says of a chunk, counted."""

    model: Classifier
    classes: int

    def __call__(self, chunk: Chunk) -> Outcomes:
        return outcomes_of(predictions(self.model, chunk._replace(y=chunk.y.astype(np.int32))), self.classes)


def model_of(one: Candidate, place: Location, run: Run) -> Classifier:
    """The model of a candidate: the one in `place` where an interrupted run has finished it, else trained and saved."""
    rows, progress, states = run.rows, run.progress, place / CHECKPOINT
    if (place / DESCRIPTION).exists():
        states.delete_folder()  # of a run that was killed between writing the model and this
        progress.say(f"{one.title} is trained already; continuing with its predictions")
        return load_model(place)
    if states.names():
        progress.say(f"continuing the training of {one.title} that was interrupted")
    progress.say(
        f"training {one.title} on {counted(rows.train.rows, 'row')} of {rows.store.name}, "
        f"choosing on {rows.held.rows:,} others"
    )
    checkpoint = FolderCheckpoint(states, run.checkpoint_seconds)
    with run.folder.timed(_lap("fit", one, place, run)):
        model = train(one.member, rows.train, rows.held, one.options, run.workers, progress, checkpoint)
    about = model.details | {"class_weight": one.options.class_weight}
    if len(rows.sources) > 1 or one.without:
        about |= {"training_sets": [source.manifest.config_hash for source in rows.sources], "without": one.without}
    names = tuple(rows.store.class_names)
    model = replace(model, details=about, class_names=names, features=meaning_of(rows.store.provenance))
    model.save(place)
    states.delete_folder()
    return model


def _lap(what: str, one: Candidate, place: Location, run: Run) -> str:
    """What the manifest calls the seconds of `what`; with the model's title where there are several."""
    return what if place == run.folder.place else f"{what} {one.title}"

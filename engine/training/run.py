"""Training on a stored split: one model or several in one run, continued where a kill has interrupted it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple, Protocol

from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.data.catalogue import companions_of
from gapscope.data.synthetic import real_name
from gapscope.evaluation.stored import evaluate, features_of, results_table, title_of
from gapscope.probes import PROBES
from gapscope.probes.grid import Grid
from gapscope.probes.imbalance import check_treatment
from gapscope.probes.lbfgs import MEMORY
from gapscope.probes.model import DESCRIPTION, Classifier, load_model
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.probes.training import HOLDOUT_ROWS
from gapscope.runs.connection import check_worker_memory, connected
from gapscope.runs.folder import CHECKPOINT, MODELS, RunFolder, input_of, opened
from gapscope.runs.result import RunResult, Table
from gapscope.runs.selection import Chosen
from gapscope.schemas.results import Result
from gapscope.store import EmbeddingStore, View
from gapscope.store.selected import Selected
from gapscope.store.workspace import companions, find_store, slug
from gapscope.stream import CHUNK_ROWS, SHARDS, Workers
from gapscope.training.details import story
from gapscope.training.settings import kept_settings, settings_table

# Options that concern some members only; an option that none of a run's models look at is a mistake.
CONCERNS: Mapping[str, tuple[str, ...]] = {
    "shrinkage": ("lda",),
    "l2": ("softmax", "logistic"),
    "c": ("softmax", "logistic"),
    "alpha": ("ridge",),
    "learning_rate": ("softmax",),
    "certify": ("softmax", "logistic"),
    "neighbours": ("knn",),
    "trees": ("forest", "sample-forest", "boosting"),
    "estimator": ("partial-fit",),
    "loss": ("sgd",),
}
# Arrays of float32 as large as a model's weights: of a head weights, average, four slopes and their sum; of L-BFGS its
# `2 * MEMORY + 5` in float64; of a closed form room to solve.
HEAD_ARRAYS, MINIMISER_ARRAYS, SOLVER_ARRAYS = 7, 2 * (2 * MEMORY + 5), 10


@dataclass(frozen=True)
class Candidate:
    """A model to train: a member of `PROBES` with its options."""

    member: str
    options: ProbeOptions

    @property
    def title(self) -> str:
        """What results call it."""
        return title_of(self.member, self.options.class_weight)


class Training(Protocol):
    """The options that every job that trains has."""

    dataset: str
    split: str
    backbone: str
    evaluate: tuple[str, ...]
    only: str
    exclude: str
    holdout: float
    memory: str
    checkpoint_seconds: float
    scheduler: str | None
    cluster: str
    workers: int | None
    workspace: str
    name: str


class Rows(NamedTuple):
    """A training store, divided, the sets to evaluate on, and which of their rows were asked for."""

    store: EmbeddingStore | Selected
    train: View
    held: View
    tests: list[EmbeddingStore | Selected]
    chosen: Chosen


class Run(NamedTuple):
    """What the candidates of a run have in common."""

    rows: Rows
    checkpoint_seconds: float
    folder: RunFolder
    workers: Workers
    progress: Progress


class Trained(NamedTuple):
    """What a run keeps of a model that it has trained and evaluated; the model itself is on disk."""

    results: list[Result]
    kept: list[Result]
    tables: list[Table]
    notes: list[str]


def candidates_of(models: Sequence[str], treatments: Sequence[str], options: ProbeOptions) -> list[Candidate]:
    """Each of the `models` with each of the treatments of unequal classes."""
    return [
        Candidate(model, replace(options, class_weight=treatment))
        for model in dict.fromkeys(models)
        for treatment in dict.fromkeys(treatments)
    ]


def run_training(
    job: str, config: Training, candidates: Sequence[Candidate], progress: Progress, *, show_settings: bool
) -> RunResult:
    """Train, save, predict and measure the candidates, one after the other."""
    check_candidates(candidates)
    workspace = Location.of(config.workspace).absolute()
    rows = rows_of(workspace, config)
    check_memory(config, candidates, rows)
    name = slug(config.name or f"{config.dataset}-{'+'.join(dict.fromkeys(one.member for one in candidates))}")
    inputs = [*map(input_of, (rows.store, *rows.tests)), *rows.chosen.inputs]
    with connected(config, progress) as workers, opened(workspace, job, name, config, inputs) as folder:
        check_worker_memory(workers, on_a_worker(rows.store), f"reading {rows.store.name}")
        run = Run(rows, config.checkpoint_seconds, folder, workers, progress)
        places = places_of(folder.place, candidates)
        done = [_trained(one, place, run) for one, place in zip(candidates, places, strict=True)]
        results, kept, tables, notes = (list(chain.from_iterable(parts)) for parts in zip(*done, strict=True))
        first = results_table(f"Trained on {config.dataset}/{config.split}", results)
        notes = [*rows.chosen.notes((rows.store, *rows.tests)), *notes]
        return folder.finish(results, [*first, *(tables if show_settings else [])], notes, kept)


def check_candidates(candidates: Sequence[Candidate]) -> None:
    """Refuse, before anything is read, models and options that do not exist or do not fit together.

    Raises
    ------
    InputError
        See above.
    """
    if not candidates:
        raise InputError("no model to train; name at least one with --model and one treatment with --class-weight")
    for one in candidates:
        if one.member not in PROBES:
            raise unknown_name(PROBES.kind, one.member, PROBES)
        check_treatment(one.member, one.options.class_weight)
    options, members = candidates[0].options, {one.member for one in candidates}
    if options.c is not None and options.l2 is not None:
        raise InputError(
            f"--c {options.c:g} and --l2 {options.l2:g} say the same thing twice, l2 = 1 / (c n); give one of them"
        )
    for field, able in CONCERNS.items():
        value = getattr(options, field)
        if value != getattr(ProbeOptions(), field) and not members & set(able):
            raise InputError(
                f"--{field.replace('_', '-')} is for {' and '.join(able)}, not for {' and '.join(sorted(members))}; "
                f"leave it out or add --model {able[0]}"
            )


def places_of(run: Location, candidates: Sequence[Candidate]) -> list[Location]:
    """The folder of each model: the run folder itself for a single one."""
    if len(candidates) == 1:
        return [run]
    return [run / MODELS / slug(one.title) for one in candidates]


def rows_of(workspace: Location, config: Training) -> Rows:
    """The rows to train on, to choose by, and to evaluate on."""
    whole, chosen = find_store(workspace, config.dataset, config.split, config.backbone), Chosen.by(config)
    store, *tests = chosen.of_stores([whole, *tests_of(workspace, config, whole)])
    return Rows(store, *divided(store, config.holdout), tests, chosen)


def divided(store: EmbeddingStore | Selected, share: float) -> tuple[View, View]:
    """The training rows and the held-out ones, which are the last; rows are shuffled, so these are a fair sample.

    Of a store with synthetic rows at most those are held out that are real and that no generator has seen.

    Raises
    ------
    InputError
        The share is not one, no row is left to train on, or none may be held out.
    """
    if not 0 <= share < 1:
        raise InputError(f"--holdout is {share}; give a share of the training rows from 0 to below 1, such as 0.1")
    held = min(int(store.rows * share), HOLDOUT_ROWS)
    if store.rows - held < 1:
        raise InputError(f"{store.name} has {store.rows} rows; training needs at least one")
    return store.view().held_out(held)


def tests_of(workspace: Location, config: Training, store: EmbeddingStore) -> list[EmbeddingStore]:
    """The sets to evaluate on: companions, and those that were named."""
    real = real_name(store.provenance.dataset)
    found = companions(workspace, store, companions_of(real), real)
    for name in config.evaluate:
        dataset, _, split = name.rpartition("/")
        if not dataset:
            raise InputError(f"--evaluate {name} names no split; write it as dataset/split")
        found.append(find_store(workspace, dataset, split, store.provenance.backbone))
    unique = {one.folder: one for one in found if one.folder != store.folder}
    return list(unique.values())


class Size(NamedTuple):
    """What the memory of a training depends on."""

    held: int
    dim: int
    classes: int
    arrays: int


def _chunks(size: Size) -> int:
    """Rows on their way, and the held-out ones with their scores."""
    return 4 * size.dim * (2 * SHARDS * CHUNK_ROWS + 2 * size.held) + 4 * size.held * size.classes


def _moments(size: Size) -> int:
    return 6 * 8 * size.dim * (size.dim + size.classes)


def _weights(size: Size) -> int:
    return 4 * size.dim * size.classes * size.arrays


def _from_moments(size: Size) -> int:
    return _chunks(size) + _moments(size) + _weights(size)


def _linear(size: Size) -> int:
    return _chunks(size) + _weights(size)


# Bytes that a training needs at most; members that are not here fit themselves into what is allowed.
NEEDS: Mapping[str, Callable[[Size], int]] = {
    "softmax": _from_moments,
    "logistic": _from_moments,
    "ridge": _from_moments,
    "lda": _from_moments,
    "nearest-mean": _linear,
    "knn": _chunks,
    "partial-fit": _linear,
    "sgd": _linear,
}


def check_memory(config: Training, candidates: Sequence[Candidate], rows: Rows) -> None:
    """Refuse, before the first row is read, a training that would not fit.

    Raises
    ------
    BudgetError
        The projected need of a candidate is above ``--memory``.
    """
    budget, store = Budget(parse_bytes(config.memory)), rows.store
    for one in candidates:
        classes = len(store.class_names)
        size = Size(rows.held.rows, store.dim, classes, _arrays(one, classes))
        what = f"training on {size.dim:,} features and {size.classes:,} classes with {size.held:,} held-out rows"
        subject = what if len(candidates) == 1 else f"{one.title}: {what}"
        budget.require(NEEDS.get(one.member, _chunks)(size), subject, "lower --holdout or raise --memory")


def _arrays(one: Candidate, classes: int) -> int:
    heads = HEAD_ARRAYS * len(Grid.of(one.options, classes)) if one.member == "softmax" else 0
    minimises = one.member == "logistic" or (one.member == "softmax" and one.options.certify)
    return max(heads, MINIMISER_ARRAYS if minimises else 0, SOLVER_ARRAYS)


def on_a_worker(store: EmbeddingStore) -> int:
    """Bytes that a worker of a cluster needs: its moments before and after a chunk, and the chunk as it is read."""
    dim, classes = store.dim, len(store.class_names)
    return 3 * 8 * dim * (dim + classes) + 2 * 8 * dim * CHUNK_ROWS


def _trained(one: Candidate, place: Location, run: Run) -> Trained:
    """Train and evaluate a candidate in the folder `place`."""
    model = model_of(one, place, run)
    with run.folder.timed(_lap("evaluate", one, place, run)):
        found = [evaluate(model, one.title, test, place, run.workers, run.progress) for test in run.rows.tests]
    made = run.rows.store.provenance
    return Trained(
        [result for evaluation in found for result in evaluation.results],
        kept_settings(one.title, model.details, made.dataset, made.split),
        settings_table(one.title, model.details),
        [*story(one.title, model.details), *(note for evaluation in found for note in evaluation.notes)],
    )


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
        f"training {one.title} on {rows.train.rows:,} rows of {rows.store.name}, choosing on {rows.held.rows:,} others"
    )
    checkpoint = FolderCheckpoint(states, run.checkpoint_seconds)
    with run.folder.timed(_lap("fit", one, place, run)):
        model = train(one.member, rows.train, rows.held, one.options, run.workers, progress, checkpoint)
    about = model.details | {"class_weight": one.options.class_weight}
    names = tuple(rows.store.class_names)
    model = replace(model, details=about, class_names=names, features=features_of(rows.store))
    model.save(place)
    states.delete_folder()
    return model


def _lap(what: str, one: Candidate, place: Location, run: Run) -> str:
    """What the manifest calls the seconds of `what`; with the model's title where there are several."""
    return what if place == run.folder.place else f"{what} {one.title}"

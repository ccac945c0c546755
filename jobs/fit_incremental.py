"""`fit-incremental`: a classifier on stored embeddings, evaluated on every companion set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.core.budget import Budget, parse_bytes
from engine.core.errors import InputError
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.data.catalogue import companions_of
from engine.data.label_order import check_label_order
from engine.evaluate import align_classes, measure, predict
from engine.probes import PROBES
from engine.probes.model import Classifier
from engine.probes.options import ProbeOptions
from engine.probes.training import HOLDOUT_ROWS
from engine.store import EmbeddingStore, View
from engine.store.workspace import companions, find_store, slug
from engine.stream import CHUNK_ROWS, SHARDS, Workers, connect
from jobs.folder import RunFolder, opened
from jobs.report import Report, Table
from schemas.results import Result

JOB = "fit-incremental"
SHOWN = ("top5_accuracy", "macro_f1", "log_loss")
CHOICES = ("chosen", "shrinkage", "l2", "learning_rate", "batch_rows", "passes", "holdout_rows", "unlabelled")
CSV = "csv"
FEATURES = {"backbone", "backbone_args", "precision", "weights", "weights_hash", "layer", "preprocessing", "dim"}


@dataclass(frozen=True, kw_only=True)
class FitIncrementalConfig:
    """Train a classifier on stored embeddings, evaluate it on every companion set.

    Reads the embeddings in chunks, so that memory does not grow with their number; everything that has to be chosen is
    chosen on held-out training rows. On two cores, 1.28 million rows of 1024 features and 1000 classes take minutes.

        python cli.py fit-incremental --dataset imagenet
        python cli.py fit-incremental --dataset cifar10 --model lda --shrinkage 0.01
        python cli.py fit-incremental --dataset imagenet --scheduler tcp://10.0.0.1:8786

    Attributes
    ----------
    dataset
        Dataset whose embeddings to train on.
    model
        softmax (converged, the default), lda (closed form) or sgd (scikit-learn's SGDClassifier, a baseline).
    split
        Split to train on.
    backbone
        Which backbone's embeddings, where there are several.
    evaluate
        Further sets to evaluate on, as dataset/split; companions are evaluated in any case.
    epochs
        Passes of gradient descent over the training rows.
    shrinkage
        Share of the identity in the covariance, 0 to 1 (lda).
    l2
        Strength of the penalty, on standardised features (softmax).
    learning_rate
        Share of its error that a row may correct at once (softmax).
    holdout
        Share of the training rows that is held out for choosing, 10,000 rows at most.
    device
        cpu computes with NumPy; cuda and cuda:N with torch.
    memory
        How much memory may be used beside the libraries.
    seed
        Decides the order of the rows after the first pass.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    workspace
        Where embeddings are and runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; dataset and model when not given.
    """

    dataset: str
    model: str = "softmax"
    split: str = "train"
    backbone: str = ""
    evaluate: tuple[str, ...] = ()
    epochs: int = 2
    shrinkage: float | None = None
    l2: float | None = None
    learning_rate: float | None = None
    holdout: float = 0.1
    device: str = "cpu"
    memory: str = "2GB"
    seed: int = 0
    scheduler: str | None = None
    workspace: str = "workspace"
    name: str = ""


def run(config: FitIncrementalConfig, progress: Progress = SILENT) -> Report:
    """Train, save, predict and measure."""
    fit = PROBES[config.model]
    workspace = Location.of(config.workspace).absolute()
    store = find_store(workspace, config.dataset, config.split, config.backbone)
    train, held = _divided(store, config.holdout)
    tests = _tests(workspace, config, store)
    _check_memory(config, store, held)
    name = slug(config.name or f"{config.dataset}-{config.model}")
    with opened(workspace, JOB, name, config) as folder, connect(config.scheduler) as workers:
        progress.say(
            f"training {config.model} on {train.rows:,} rows of {store.name}, choosing on {held.rows:,} others"
        )
        folder.reads(store)
        with folder.timed("fit"):
            probe = fit(train, held, _options(config), workers, progress)
        probe = replace(probe, class_names=tuple(store.class_names), features=_features(store))
        probe.save(folder.place)
        with folder.timed("evaluate"):
            evaluated = [_evaluate(probe, test, folder, workers, progress) for test in tests]
        results = [result for found, _ in evaluated for result in found]
        notes = [note for _, sentences in evaluated for note in sentences]
        return folder.finish(results, _tables(config, results), [*_story(probe), *notes])


def _divided(store: EmbeddingStore, share: float) -> tuple[View, View]:
    """The training rows and the held-out ones, which are the last; rows are shuffled, so these are a fair sample."""
    if not 0 <= share < 1:
        raise InputError(f"--holdout is {share}; give a share of the training rows from 0 to below 1, such as 0.1")
    held = min(int(store.rows * share), HOLDOUT_ROWS)
    if store.rows - held < 1:
        raise InputError(f"{store.name} has {store.rows} rows; training needs at least one")
    return store.view(0, store.rows - held), store.view(store.rows - held)


def _tests(workspace: Location, config: FitIncrementalConfig, store: EmbeddingStore) -> list[EmbeddingStore]:
    """The sets to evaluate on: companions, and those that were named."""
    found = companions(workspace, store, companions_of(config.dataset))
    for name in config.evaluate:
        dataset, _, split = name.rpartition("/")
        if not dataset:
            raise InputError(f"--evaluate {name} names no split; write it as dataset/split")
        found.append(find_store(workspace, dataset, split, store.provenance.backbone))
    unique = {one.folder: one for one in found if one.folder != store.folder}
    return list(unique.values())


def _check_memory(config: FitIncrementalConfig, store: EmbeddingStore, held: View) -> None:
    """Refuse, before the first row is read, a training that would not fit."""
    classes, dim = len(store.class_names), store.dim
    moments = 6 * 8 * dim * (dim + classes)
    rows = 4 * dim * (2 * SHARDS * CHUNK_ROWS + 2 * held.rows) + 4 * held.rows * classes
    heads = 10 * 4 * dim * classes
    what = f"training on {dim:,} features and {classes:,} classes with {held.rows:,} held-out rows"
    Budget(parse_bytes(config.memory)).require(moments + rows + heads, what, "lower --holdout or raise --memory")


def _options(config: FitIncrementalConfig) -> ProbeOptions:
    return ProbeOptions(
        epochs=config.epochs,
        shrinkage=config.shrinkage,
        l2=config.l2,
        learning_rate=config.learning_rate,
        device=config.device,
        seed=config.seed,
    )


def _features(store: EmbeddingStore) -> dict[str, Any]:
    """What an image must go through to become features that the model understands."""
    found = store.provenance.model_dump(include=FEATURES)
    if store.provenance.decoder == CSV:  # of an import, the files are its own and only the columns say what was made
        found["preprocessing"] = {"columns": store.provenance.preprocessing["features"]}
    return found


def _evaluate(
    probe: Classifier, test: EmbeddingStore, folder: RunFolder, workers: Workers, progress: Progress
) -> tuple[list[Result], list[str]]:
    """Results of the model on one set, and what has to be said about it."""
    place = test.provenance
    _check_features(probe, test)
    classes, note = align_classes(probe.class_names, test.class_names, test.name)
    folder.reads(test)
    target = folder.predictions / slug(f"{place.dataset}-{place.split}")
    counts = predict(probe, probe.class_names, test.view(), classes, target, workers, progress=progress)
    results = measure(counts, place.dataset, place.split, probe.name, probe.class_names)
    finding = check_label_order(counts.confusion)
    unlabelled = f"{test.name}: {counts.unlabelled:,} rows without a label were predicted but not counted"
    notes = [note, finding.sentence if finding else "", unlabelled if counts.unlabelled else ""]
    return results, [
        f"warning: {test.name}: {one}" if finding and one == finding.sentence else one for one in notes if one
    ]


def _check_features(probe: Classifier, test: EmbeddingStore) -> None:
    """Refuse a set whose features were made differently from those that the model was trained on."""
    there = _features(test)
    for field in ("dim", "weights_hash", "layer", "preprocessing", "precision"):
        if there[field] != probe.features[field]:
            raise InputError(
                f"{test.name} has features of another kind: {field} is {there[field]!r}, the model was trained on "
                f"{probe.features[field]!r}; extract both sets with the same backbone and options"
            )


def _tables(config: FitIncrementalConfig, results: Sequence[Result]) -> list[Table]:
    """One row for each set: headline metrics, accuracy with its interval, and the gap to the first set in points."""
    sets: dict[str, dict[str, Result]] = {}
    for result in results:
        if result.class_name is None:
            sets.setdefault(f"{result.dataset}/{result.split}", {})[result.metric] = result
    rows, first = [], None
    for name, found in sets.items():
        accuracy = found["accuracy"]
        first = accuracy.value if first is None else first
        others = [found[metric].value if metric in found else None for metric in SHOWN]
        interval = f"{accuracy.low:.2%} - {accuracy.high:.2%}"
        gap = f"{100 * (accuracy.value - first):+.2f}"
        rows.append((config.model, name, accuracy.n, f"{accuracy.value:.2%}", interval, gap, *others))
    columns = ("model", "set", "rows", "accuracy", "95 % interval", "gap, points", *SHOWN)
    return [Table(f"Trained on {config.dataset}/{config.split}", columns, rows)] if rows else []


def _story(probe: Classifier) -> list[str]:
    """One sentence on what was chosen on the held-out rows."""
    details = probe.details
    chosen = {name: details[name] for name in CHOICES if details.get(name) is not None}
    settings = ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in chosen.items())
    return [f"{probe.name}: {settings}"] if settings else []


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

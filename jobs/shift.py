"""`shift`: how far stored sets are apart, and which features and classes moved."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cyclopts import Parameter

from engine.core.budget import Budget, parse_bytes
from engine.core.errors import InputError, unknown_name
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.core.threads import processors
from engine.shifts import SHIFTS
from engine.store import EmbeddingStore, View
from engine.store.comparable import comparable_view
from engine.store.selected import Selected
from engine.store.workspace import slug
from engine.stream import CHUNK_ROWS, Workers
from jobs.connection import check_worker_memory, connected
from jobs.folder import MODELS, RunFolder, input_of, opened
from jobs.report import Report, Table
from jobs.reported import reported
from jobs.selection import Chosen
from schemas.results import Result

if TYPE_CHECKING:  # these load much of SciPy, and `--help` has to be instant
    from engine.inference import Verdict
    from engine.predictions.table import Predictions
    from engine.probes.model import Classifier
    from engine.shifts.battery import Battery

JOB = "shift"
VERDICTS, FEATURES, CLASSES = "verdicts.json", "features.parquet", "classes.parquet"
DISTANCES, LINKAGE = "distances.parquet", "linkage.parquet"
SHOWN = 10
# Share of --memory that ranks may take, which are exact if both sets fit.
EXACT_SHARE = 4
MOVED = "class_mean_shift"
# Columns of features.parquet that the terminal shows, and what it calls them; the first that is there ranks.
SHOWN_COLUMNS = {
    "ks": "Kolmogorov-Smirnov",
    "standardised_difference": "difference of means, sd",
    "wasserstein_sd": "Wasserstein, sd",
    "log_variance_ratio": "log variance ratio",
    "ks_adjusted_p": "adjusted p",
}


@dataclass(frozen=True, kw_only=True)
class ShiftConfig:
    """Measure how far apart stored sets are, and which differences matter.

    Each set is read once for all summaries; statistics that need ranks, neighbours or a trained classifier read
    again. Every p-value has the size of the effect beside it: of a million rows, everything is significant. With
    several targets, a matrix of distances between all sets.

        python cli.py shift --reference imagenet/val --target imagenetv2/test
        python cli.py shift --reference cifar10/train --target cifar10/test cifar10-night/test --exclude-slow
        python cli.py shift --reference cifar10/test --target photos/all --statistics moments mmd
        python cli.py shift --reference cifar10/test --target photos/all --model workspace/runs/fit-incremental-cifar10

    Attributes
    ----------
    reference
        The set to compare with, as dataset/split.
    target
        One or several sets, as dataset/split.
    only
        CSV or Parquet file with the images to keep, as the explorer exports them (columns sample_id, dataset, split);
        sets that it does not name stay whole.
    exclude
        The same with images to leave out.
    statistics
        Which of moments, marginal, sliced, mmd, frechet, prdc, classifier; all when not given.
    exclude_slow
        Leave out the statistics that read the sets again.
    model
        Folder of a trained model, of a network too: tells the shift of the class shares from its predictions. Rows of
        the reference should not have trained it.
    correction
        For many tests at once: bh (Benjamini-Hochberg), by (Benjamini-Yekutieli), holm, bonferroni.
    neighbours
        k of precision, recall, density and coverage.
    replicates
        Number of bootstrap replicates and permutations.
    backbone
        Which backbone's embeddings, where there are several; those that the model reads when not given.
    memory
        How much memory may be used beside the libraries.
    seed
        Decides directions, frequencies, permutations and replicates.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    cluster
        local starts a Dask cluster on this machine for this run.
    workers
        Number of worker processes of that cluster.
    workspace
        Where embeddings are and runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; the sets when not given.
    report
        Write report.html into the run's folder.
    """

    reference: str
    target: tuple[str, ...]
    only: str = ""
    exclude: str = ""
    statistics: tuple[str, ...] = ()
    exclude_slow: bool = False
    model: str = ""
    correction: str = "bh"
    neighbours: int = 5
    replicates: int = 200
    backbone: str = ""
    memory: str = "2GB"
    seed: int = 0
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    workspace: str = "workspace"
    name: str = ""
    report: Annotated[bool, Parameter(negative="--no-report")] = True


class Sets(NamedTuple):
    """The stores, the reference first, their rows with the reference's class indices, which were asked for, and the
    model that reads them, if one was named.
    """

    stores: list[EmbeddingStore | Selected]
    views: list[View]
    chosen: Chosen
    model: "Classifier | None"


class Compared(NamedTuple):
    """What was found on one target.

    Attributes
    ----------
    store
        The target.
    verdicts
        In the order of the statistics; those of a class have its name.
    features, classes
        Columns with a row for each.
    """

    store: EmbeddingStore
    verdicts: "list[Verdict]"
    features: dict[str, np.ndarray]
    classes: dict[str, np.ndarray]


def run(config: ShiftConfig, progress: Progress = SILENT) -> Report:
    """Read every set once, compare each target with the reference."""
    names = statistics_of(config)
    workspace = Location.of(config.workspace).absolute()
    sets = sets_of(workspace, config)
    needed = check_memory(config, names, sets)
    name = slug(config.name or "-".join([config.reference, *config.target]))
    inputs = [*map(input_of, sets.stores), *sets.chosen.inputs]
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as folder:
        check_worker_memory(workers, needed, "summarising a set")
        found = _measured(config, names, sets, folder, workers, progress)
    return reported(found, wanted=config.report)


def statistics_of(config: ShiftConfig) -> list[str]:
    """Names in `SHIFTS`, those that read the sets again last.

    Raises
    ------
    InputError
        A name or an option is unknown, or nothing is left.
    """
    from engine.inference.multiplicity import CORRECTIONS

    if config.correction not in CORRECTIONS:
        raise unknown_name("correction", config.correction, CORRECTIONS)
    if not config.target:
        raise InputError("no target to compare; name at least one set with --target dataset/split")
    for option in ("neighbours", "replicates"):
        if getattr(config, option) < 1:
            raise InputError(f"--{option} is {getattr(config, option)}; give 1 or more")
    names = list(dict.fromkeys(config.statistics or SHIFTS))
    slow = {name: SHIFTS[name].rereads for name in names}
    kept = [name for name in sorted(names, key=slow.get) if not (config.exclude_slow and slow[name])]
    if not kept:
        raise InputError(f"--exclude-slow leaves nothing of {', '.join(names)}; add a statistic such as moments")
    return kept


def sets_of(workspace: Location, config: ShiftConfig) -> Sets:
    """The stores that the options name, checked to have the same kind of features and classes."""
    model = _model(config.model)
    wanted = config.backbone or (model.features.get("backbone", "") if model else "")
    reference = _find(workspace, "reference", config.reference, wanted)
    backbone = reference.provenance.backbone
    targets = [_find(workspace, "target", name, backbone) for name in dict.fromkeys(config.target)]
    chosen = Chosen.by(config)
    reference, *targets = chosen.of_stores([reference, *targets])
    views = [comparable_view(reference, target) for target in targets]
    stores = [reference, *targets]
    return Sets(stores, [reference.view(), *views], chosen, model and _fitting(model, stores))


def _model(place: str) -> "Classifier | None":
    """The model in the folder that ``--model`` names; None without the option."""
    if not place:
        return None
    from jobs.network import model_in

    folder = Location.of(place).absolute()
    several = [str(folder / MODELS / name) for name in (folder / MODELS).names()]
    if several:
        raise InputError(f"{folder} holds several models; choose one with --model: {', '.join(several)}")
    return model_in(folder)


def _fitting(model: "Classifier", stores: Sequence[EmbeddingStore | Selected]) -> "Classifier":
    """The model, checked to understand the features of all stores."""
    from jobs.evaluation import check_features
    from jobs.network import as_stored

    model = as_stored(model, stores[0])
    for store in stores:
        check_features(model, store)
    return model


def _find(workspace: Location, option: str, name: str, backbone: str) -> EmbeddingStore:
    dataset, _, split = name.rpartition("/")
    if not dataset:
        raise InputError(f"--{option} {name} names no split; write it as dataset/split")
    from jobs.network import find_features

    return find_features(workspace, dataset, split, backbone)


class Size(NamedTuple):
    """What the memory of the summaries depends on."""

    dim: int
    classes: int


# Bytes of one set's summary; a statistic that is not here keeps nothing.
SUMMARIES: Mapping[str, Callable[[Size], int]] = {
    "moments": lambda size: 8 * 4 * size.dim,
    "marginal": lambda size: 8 * 1024 * size.dim,
    "sliced": lambda size: 8 * 288 * (1024 + size.dim),
    "mmd": lambda size: 8 * 3 * 512 * (512 + 1),
}


def check_memory(config: ShiftConfig, names: Sequence[str], sets: Sets) -> int:
    """Refuse, before the first row is read, sets whose summaries would not fit; bytes that a worker needs.

    A summary of the rows so far, of a chunk, and of both together are there at once on each thread; that of each set
    stays.

    Raises
    ------
    BudgetError
        The projected need is above ``--memory``.
    """
    store = sets.stores[0]
    size = Size(store.dim, max(1, len(store.class_names)))
    summary = 8 * size.dim * (size.dim + 2 * size.classes)
    summary += sum(SUMMARIES[name](size) for name in names if name in SUMMARIES)
    chunk = 4 * size.dim * CHUNK_ROWS * 6
    on_a_worker = 3 * summary + chunk
    threads = 1 if config.scheduler or config.cluster else processors()
    what = f"comparing {len(sets.stores)} sets of {size.dim:,} features and {size.classes:,} classes"
    way_out = "name fewer --statistics or targets, or raise --memory"
    Budget(parse_bytes(config.memory)).require(threads * on_a_worker + len(sets.stores) * summary, what, way_out)
    return on_a_worker


def _measured(
    config: ShiftConfig, names: list[str], sets: Sets, folder: RunFolder, workers: Workers, progress: Progress
) -> Report:
    from engine.shifts.battery import Battery, ShiftOptions

    exact = parse_bytes(config.memory) // EXACT_SHARE
    options = ShiftOptions(config.seed, config.replicates, config.neighbours, config.correction, exact)
    with folder.timed("read"):
        battery = Battery.read(sets.views, names, options, workers, progress)
    found = [_compared(battery, index, store, folder, progress) for index, store in enumerate(sets.stores[1:], 1)]
    notes = _notes(sets)
    if sets.model:
        with folder.timed("label shift"):
            found, told = _with_label_shift(config, sets, sets.model, found, workers, progress)
        notes += told
    matrix = _matrix(battery, names, folder, progress) if len(found) > 1 else []
    class_names = np.asarray(sets.stores[0].class_names, dtype=object)
    found = [one._replace(classes=_named(one.classes, class_names)) for one in found]
    _write(folder, sets.stores[0], found)
    tables = [table for one in found for table in _tables(sets.stores[0], one)]
    results = list(chain.from_iterable(_results(sets.stores[0].name, one) for one in found))
    return folder.finish(results, [*tables, *matrix], notes)


def _compared(battery: "Battery", index: int, store: EmbeddingStore, folder: RunFolder, progress: Progress) -> Compared:
    """All statistics on one target, each told as it begins."""
    verdicts, features, classes = [], {}, {}
    dim = battery.look.dim
    with progress.task(f"compare with {store.name}", len(battery.names), "statistics") as task:
        for name in battery.names:
            with folder.timed(f"{name} {store.name}"):
                findings = battery.compare(0, index, [name])[name]
            verdicts += findings.verdicts
            for title, column in {**findings.columns, **findings.class_columns}.items():
                of_classes = title in findings.class_columns or len(column) != dim
                table = classes if of_classes else features
                table[title if title not in table else f"{name}_{title}"] = np.asarray(column)
            task.advance()
    return Compared(store, verdicts, features, classes)


def _notes(sets: Sets) -> list[str]:
    """What has to be said about the rows and their labels."""
    return sets.chosen.notes(sets.stores) + [
        f"{view.store.name} has no class names; nothing is said of its classes"
        for view, store in zip(sets.views, sets.stores, strict=True)
        if not view.store.class_names or not store.class_names
    ]


def _with_label_shift(
    config: ShiftConfig, sets: Sets, model: "Classifier", found: list[Compared], workers: Workers, progress: Progress
) -> tuple[list[Compared], list[str]]:
    """The findings with those on the shares of the classes, by what a model predicts for both sets."""
    from engine.shifts.label_shift import label_shift

    made = [_answers(model, store, workers, progress) for store in sets.stores]
    if not made[0].known.any():
        return found, [f"{sets.stores[0].name} has no labels; the shift of the class shares needs some"]
    done = []
    for one, target in zip(found, made[1:], strict=True):
        moved = label_shift(made[0], target, replicates=config.replicates, seed=config.seed)
        same = list(moved.class_names) == list(sets.stores[0].class_names)
        columns = moved.columns() if same else {}
        done.append(one._replace(verdicts=[*one.verdicts, *moved.verdicts()], classes={**one.classes, **columns}))
    return done, []


def _answers(model: "Classifier", store: EmbeddingStore, workers: Workers, progress: Progress) -> "Predictions":
    from engine.evaluate import align_classes
    from engine.evaluate.answers import answers

    known = store.class_names
    classes = align_classes(model.class_names, known, store.name)[0] if known else np.empty(0, np.int64)
    return answers(model, model.name, tuple(model.class_names), store.view(), classes, workers, progress)


def _matrix(battery: "Battery", names: Sequence[str], folder: RunFolder, progress: Progress) -> list[Table]:
    """Distances between all sets by the statistics that read once, written with their trees."""
    from engine.shifts.matrix import distances

    once = [name for name in names if not SHIFTS[name].rereads]
    progress.say(f"comparing {len(battery.views)} sets two by two")
    with folder.timed("matrix"):
        found = distances(battery, once)
    for place, rows in ((DISTANCES, [one.rows() for one in found]), (LINKAGE, [one.tree() for one in found])):
        _write_rows(folder.place / place, list(chain.from_iterable(rows)))
    return [
        Table(
            f"Distances between all sets: {one.statistic}",
            ("set", *one.sets),
            [(name, *map(float, row)) for name, row in zip(one.sets, one.values, strict=True)],
        )
        for one in found
    ]


def _write(folder: RunFolder, reference: EmbeddingStore, found: Sequence[Compared]) -> None:
    """Verdicts as JSON, features and classes as Parquet."""
    verdicts = [
        {"reference": reference.name, "target": one.store.name} | _plain(asdict(verdict))
        for one in found
        for verdict in one.verdicts
    ]
    (folder.place / VERDICTS).write_text(json.dumps(verdicts, indent=1, allow_nan=False))
    _write_table(folder.place / FEATURES, "feature", [(one.store.name, one.features) for one in found])
    _write_table(folder.place / CLASSES, "index", [(one.store.name, one.classes) for one in found])


def _write_rows(place: Location, rows: list[dict[str, Any]]) -> None:
    place.write_atomically(lambda file: pq.write_table(pa.Table.from_pylist(rows), file, compression="zstd"))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """NaN and infinity, which JSON has not, as None."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in values.items()
    }


def _named(columns: dict[str, np.ndarray], names: np.ndarray) -> dict[str, np.ndarray]:
    rows = len(next(iter(columns.values()), ()))
    return {"class": names, **columns} if rows and rows == len(names) else columns


def _write_table(place: Location, index: str, found: Sequence[tuple[str, dict[str, np.ndarray]]]) -> None:
    """A table with the rows of all targets below each other; none where there are no columns."""
    tables = []
    for target, columns in found:
        if columns:
            rows = len(next(iter(columns.values())))
            numbered = {"target": pa.array([target] * rows), index: pa.array(np.arange(rows))}
            tables.append(pa.table(numbered | {name: pa.array(column) for name, column in columns.items()}))
    if tables:
        whole = pa.concat_tables(tables, promote_options="default")
        place.write_atomically(lambda file: pq.write_table(whole, file, compression="zstd"))


def _results(reference: str, one: Compared) -> list[Result]:
    """A row for each value, p-value, effect and null value; the model's place holds the name of the reference."""
    made = one.store.provenance
    results = []
    for verdict in one.verdicts:
        common = {"dataset": made.dataset, "split": made.split, "model": reference, "class_name": verdict.class_name}
        numbers = _plain({"value": verdict.value, "low": verdict.low, "high": verdict.high})
        results.append(Result(**common, metric=verdict.statistic, **numbers, n=verdict.n))
        for name, value in (("p_value", verdict.p), ("effect", verdict.effect), ("null", verdict.null)):
            if value is not None and np.isfinite(value):
                results.append(Result(**common, metric=f"{verdict.statistic}_{name}", value=float(value), n=verdict.n))
    return results


def _tables(reference: EmbeddingStore, one: Compared) -> list[Table]:
    """Verdicts, the features that differ most, the classes that moved most."""
    pair = f"{one.store.name} against {reference.name}"
    rows = [_row(verdict) for verdict in one.verdicts if verdict.class_name is None]
    columns = ("statistic", "value", "95 % interval", "p", "effect", "meaning")
    return [Table(f"Shift of {pair}", columns, rows), *_features(pair, one.features), *_classes(pair, one.classes)]


def _row(verdict: "Verdict") -> tuple[str | float | None, ...]:
    bounded = verdict.low is not None and verdict.high is not None
    interval = f"{verdict.low:.3g} - {verdict.high:.3g}" if bounded else "-"
    value, p, effect = (_plain({"": number})[""] for number in (verdict.value, verdict.p, verdict.effect))
    p = "< 1e-300" if p is not None and p <= 1e-300 else p
    return verdict.statistic, value, interval, p, effect, verdict.sentence


def _features(pair: str, columns: Mapping[str, np.ndarray]) -> list[Table]:
    shown = [name for name in SHOWN_COLUMNS if name in columns]
    if not shown:
        return []
    best = np.argsort(-np.abs(columns[shown[0]]), kind="stable")[:SHOWN]
    rows = [(str(feature), *(float(columns[name][feature]) for name in shown)) for feature in best]
    title = f"The {len(best)} features that differ most, {pair}"
    return [Table(title, ("feature", *(SHOWN_COLUMNS[name] for name in shown)), rows)]


def _classes(pair: str, columns: Mapping[str, np.ndarray]) -> list[Table]:
    if MOVED not in columns:
        return []
    moved = np.nan_to_num(columns[MOVED], nan=-1.0)
    best = [index for index in np.argsort(-moved, kind="stable")[:SHOWN] if moved[index] >= 0]
    names = columns.get("class", np.arange(len(moved)))
    fields = ("rows_reference", "rows_target", MOVED, "class_mean_adjusted_p")
    rows = [(str(names[index]), *(columns[field][index].item() for field in fields)) for index in best]
    heading = ("class", "rows before", "rows after", "shift of the mean, sd", "adjusted p")
    return [Table(f"The {len(best)} classes that moved most, {pair}", heading, rows)]

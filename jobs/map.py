"""`map`: two coordinates for every row of one or several stored sets in one common space."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.core.budget import Budget, parse_bytes
from engine.core.errors import InputError, unknown_name
from engine.core.hashing import digest_file
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.core.threads import processors
from engine.maps import MAPS
from engine.store import EmbeddingStore, View
from engine.store.comparable import comparable_view
from engine.store.workspace import find_store, slug
from engine.stream import CHUNK_ROWS, Workers
from jobs.connection import check_worker_memory, connected
from jobs.folder import MANIFEST, MANNER, MODELS, TABLE, RunFolder, input_of, opened
from jobs.report import Report, Table
from schemas.coordinates import ABOUT, COORDINATES_SCHEMA, POINTS, PREDICTED_FIELDS, PREDICTED_SCHEMA
from schemas.results import Result
from schemas.run import Input, RunManifest

if TYPE_CHECKING:  # these load SciPy and numba, and `--help` has to be instant
    from engine.maps.made import Sheet
    from engine.maps.member import Border, MapOptions
    from engine.maps.placing import Placed
    from engine.maps.quality import Judged, Measured
    from engine.maps.space import Space

JOB = "map"
COORDINATES, FIGURES = "coordinates", "figures"
SAMPLE = 10_000
# Bytes that a layout keeps for each of its rows: its neighbours, twice, with their weights.
LAYOUT_ROW = 8192
# Share of --memory that the layout may take.
LAYOUT_SHARE = 4
# Rows that are placed in both ways where the library's own is asked for.
BOTH_WAYS = 200
PAIR = 2
MEANINGS = {
    "trustworthiness": "neighbours on the map are neighbours in truth: 1 for all, about 0.5 for a random map",
    "neighbour_recall": "share of a row's nearest in truth that are among its nearest on the map",
    "trustworthiness_fitted": "the same of the rows that were laid out",
    "neighbour_recall_fitted": "the same of the rows that were laid out",
    "placement_displacement": "from where a laid-out row lies to where it would be placed; 1 is the map's radius",
    "placement_difference": "from the library's place to that by neighbours; 1 is the map's radius",
    "fitted_rows": "rows that were laid out",
    "rows": "rows on the map",
}


@dataclass(frozen=True, kw_only=True)
class MapConfig:
    """Two coordinates for every row of one or several stored sets, in one common space.

    pca, lda and head are functions of each row. umap and tsne are laid out on a sample, by class and set, in the
    principal coordinates of all sets together; every other row is then placed among it, and the column `fitted` says
    which is which. The Parquet table that is written opens in DuckDB, pandas and embedding-atlas as it is. A map that
    is there already is not made again.

        python cli.py map --dataset cifar10 --split test --method umap
        python cli.py map --dataset cifar10/test cifar10+night/test --method tsne --sample 20000
        python cli.py map --dataset cifar10 --method head --classes cat dog --run workspace/runs/fit-incremental-cifar10

    Attributes
    ----------
    dataset
        One or several sets, as dataset/split, or as dataset with --split.
    split
        The split of those that name none.
    method
        pca; umap; tsne; lda, the two best discriminants; head, what separates two classes.
    neighbours
        Of UMAP's graph.
    perplexity
        Of t-SNE.
    sample
        Rows that umap and tsne lay out; 10,000 or as many as --memory allows when not given.
    placement
        How the others are placed: neighbours, fast; library, by UMAP's and openTSNE's own transform.
    classes
        The two classes that head separates.
    run
        Folder of a run whose predictions are joined, and whose linear model gives head its direction.
    model
        Which of the run's models, where it has several.
    backbone
        Which backbone's embeddings, where there are several.
    memory
        How much memory may be used beside the libraries.
    seed
        Decides the layout.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    cluster
        local starts a Dask cluster on this machine for this run.
    workers
        Number of worker processes of that cluster.
    workspace
        Where embeddings are and runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; method and sets when not given.
    """

    dataset: tuple[str, ...]
    split: str = "test"
    method: str = "umap"
    neighbours: int = 15
    perplexity: float = 30.0
    sample: int | None = None
    placement: str = "neighbours"
    classes: tuple[str, ...] = ()
    run: str = ""
    model: str = ""
    backbone: str = ""
    memory: str = "2GB"
    seed: int = 0
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    workspace: str = "workspace"
    name: str = ""


class Sets(NamedTuple):
    """The stores, and their rows with the class indices of the first; only of rows that are there."""

    stores: list[EmbeddingStore]
    views: list[View]

    @property
    def class_names(self) -> list[str]:
        """By class index."""
        return self.stores[0].class_names

    @property
    def name(self) -> str:
        """All sets, for titles."""
        return ", ".join(store.name for store in self.stores)

    @property
    def rows(self) -> int:
        """Of all sets."""
        return sum(store.rows for store in self.stores)


class Answers(NamedTuple):
    """What a run predicts for a set, by sample id ascending, with the class indices of the map."""

    sample_id: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray


def run(config: MapConfig, progress: Progress = SILENT) -> Report:
    """Read the moments, lay out, place every row, judge the map; or find that all this was done."""
    begun = time.perf_counter()
    _check(config)
    workspace = Location.of(config.workspace).absolute()
    sets = sets_of(workspace, config)
    size, needed = check_memory(config, sets)
    name = slug(config.name or "-".join([config.method, *(store.name for store in sets.stores)]))
    inputs = [*map(input_of, sets.stores), *_input_of_run(config)]
    earlier = finished(workspace / "runs", name, config, inputs)
    if earlier:
        return _told_again(earlier, sets, begun)
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as folder:
        check_worker_memory(workers, needed, "mapping a set")
        return _mapped(config, sets, size, folder, workers, progress)


def _check(config: MapConfig) -> None:
    """Refuse options without a meaning, before anything is read.

    Raises
    ------
    InputError
        See above.
    """
    if config.method not in MAPS:
        raise unknown_name("map", config.method, MAPS)
    if config.placement not in ("neighbours", "library"):
        raise unknown_name("placement", config.placement, ("neighbours", "library"))
    if not config.dataset:
        raise InputError("no set to map; name at least one with --dataset dataset/split")
    if config.method == "head" and len(config.classes) != PAIR:
        raise InputError("head separates two classes; name them with --classes, such as --classes cat dog")
    least = {"neighbours": 2, "perplexity": 1, "sample": 1}
    for option, smallest in least.items():
        value = getattr(config, option)
        if value is not None and not value >= smallest:
            raise InputError(f"--{option} is {value:g}; give {smallest} or more")


def sets_of(workspace: Location, config: MapConfig) -> Sets:
    """The stores that the options name, checked to have the same kind of features and classes."""
    names = list(dict.fromkeys(one if "/" in one else f"{one}/{config.split}" for one in config.dataset))
    stores = [_find(workspace, names[0], config.backbone)]
    stores += [_find(workspace, name, stores[0].provenance.backbone) for name in names[1:]]
    return Sets(stores, [stores[0].view(), *(comparable_view(stores[0], store) for store in stores[1:])])


def _find(workspace: Location, name: str, backbone: str) -> EmbeddingStore:
    dataset, _, split = name.rpartition("/")
    return find_store(workspace, dataset, split, backbone)


def check_memory(config: MapConfig, sets: Sets) -> tuple[int, int]:
    """Rows of the sample, and bytes that a worker needs.

    A summary of the rows so far, of a chunk, and of both together are there at once on each thread; that of each set
    stays; then the layout.

    Raises
    ------
    BudgetError
        The projected need is above ``--memory``.
    """
    allowed, dim = parse_bytes(config.memory), sets.stores[0].dim
    size = min(sets.rows, config.sample or max(1, min(SAMPLE, allowed // LAYOUT_SHARE // LAYOUT_ROW)))
    summary = 8 * dim * (2 * dim + max(1, len(sets.class_names)))
    on_a_worker = 3 * summary + 4 * dim * CHUNK_ROWS * 6 + 2**25
    threads = 1 if config.scheduler or config.cluster else processors()
    layout = LAYOUT_ROW * size if MAPS[config.method].sampled else 0
    needed = max(threads * on_a_worker + len(sets.stores) * summary, layout + threads * on_a_worker)
    what = f"a map of {dim:,} features with a sample of {size:,} rows"
    Budget(allowed).require(needed, what, "ask for a smaller --sample, or raise --memory")
    return size, on_a_worker


def _input_of_run(config: MapConfig) -> list[Input]:
    """The record that the map reads a run, known by the hash of its manifest."""
    if not config.run:
        return []
    place = Location.of(config.run).absolute()
    if not (place / MANIFEST).exists():
        raise InputError(f"{place} is no run folder: it has no {MANIFEST}; name a folder below runs/")
    with (place / MANIFEST).open_input() as file:
        return [Input(place=str(place), config_hash=digest_file(file), rows=0)]


def finished(runs: Location, name: str, config: MapConfig, inputs: Sequence[Input]) -> Location | None:
    """The folder of a complete run with the same options and inputs, if there is one."""
    settings = json.loads(json.dumps(asdict(config), default=str))
    for folder in runs.names():
        place = runs / folder
        if not folder.startswith(f"{JOB}-{name}") or not (place / COORDINATES / POINTS).exists():
            continue
        found = RunManifest.model_validate_json((place / MANIFEST).read_text())
        same = {key: value for key, value in found.config.items() if key not in MANNER}
        wanted = {key: value for key, value in settings.items() if key not in MANNER}
        if found.status == "complete" and same == wanted and list(found.inputs) == list(inputs):
            return place
    return None


def _told_again(place: Location, sets: Sets, begun: float) -> Report:
    """The report of a finished run, from its files."""
    rows = pq.read_table((place / TABLE).path, filesystem=place.filesystem).to_pylist()
    results = [Result(**{("class_name" if key == "class" else key): row[key] for key in row}) for row in rows]
    notes = json.loads((place / COORDINATES / ABOUT).read_text())["notes"]
    notes += ["the same map of the same rows was there already", f"written to {place}"]
    return Report(JOB, str(place), time.perf_counter() - begun, results, _tables(sets, results), notes)


def _mapped(
    config: MapConfig, sets: Sets, size: int, folder: RunFolder, workers: Workers, progress: Progress
) -> Report:
    from engine.maps.made import make_map
    from engine.maps.space import Space

    options = _options(config, sets)
    answers, told = _answers(config, sets)
    with folder.timed("moments"):
        space = Space.read(sets.views, workers, progress)
    with folder.timed("layout"):
        sheet = make_map(config.method, space, options, size, workers, progress)
    target = folder.place / COORDINATES
    with folder.timed("place"):
        _write(target / POINTS, sets, space, sheet, answers, workers, progress)
    with folder.timed("judge"):
        results = _judged(config, sets, space, sheet)
    notes = [*_notes(config, sets, sheet), *told]
    about = {"method": config.method, "sets": [store.name for store in sets.stores], "class_names": sets.class_names}
    (target / ABOUT).write_text(json.dumps(about | {"notes": notes}, indent=1))
    with folder.timed("draw"):
        _draw(folder.place, sets, config.method)
    return folder.finish(results, _tables(sets, results), notes)


def _options(config: MapConfig, sets: Sets) -> "MapOptions":
    from engine.maps.member import MapOptions

    pair = tuple(_class(name, sets.class_names) for name in config.classes) if config.method == "head" else None
    if pair and pair[0] == pair[1]:
        raise InputError(f"--classes names {config.classes[0]} twice; name two different classes")
    border = _border(config, sets, pair) if pair and config.run else None
    return MapOptions(config.neighbours, config.perplexity, config.placement, pair, border, config.seed, processors())


def _class(name: str, known: Sequence[str]) -> int:
    if name not in known:
        raise unknown_name("class", name, known)
    return list(known).index(name)


def _border(config: MapConfig, sets: Sets, pair: tuple[int, int]) -> "Border | None":
    """Where the run's model, if it is a linear one on features as they are stored, scores both classes alike."""
    from engine.maps.member import Border
    from engine.probes.model import MODEL, load_model
    from engine.probes.rules.linear import Linear
    from jobs.evaluation import check_features

    folder = Location.of(config.run).absolute()
    folder = folder / MODELS / config.model if config.model else folder
    if not (folder / MODEL).exists():
        return None
    model = load_model(folder)
    check_features(model, sets.stores[0])
    if not isinstance(model.rule, Linear) or model.normalised:
        return None
    first, second = (_class(sets.class_names[index], model.class_names) for index in pair)
    weight, bias = model.rule.weight.astype(np.float64), model.rule.bias.astype(np.float64)
    return Border(weight[first] - weight[second], float(bias[first] - bias[second]))


def _answers(config: MapConfig, sets: Sets) -> tuple[list[Answers | None], list[str]]:
    """What the run predicts for each set, None for one that it has not predicted; and sentences about those."""
    if not config.run:
        return [], []
    from engine.predictions import read_predictions
    from engine.predictions.run import sets_in_run

    place = Location.of(config.run).absolute()
    there = sets_in_run(place, config.model)
    answers, told = [], []
    for store in sets.stores:
        made = store.provenance
        if slug(f"{made.dataset}-{made.split}") not in there:
            told.append(f"{place.name} has no predictions for {store.name}; their columns are empty there")
            answers.append(None)
            continue
        found = read_predictions(str(place), model=config.model, dataset=made.dataset, split=made.split)
        index = np.array([_class(name, sets.class_names) for name in found.class_names], np.int32)
        order = np.argsort(found.sample_id, kind="stable")
        sure = np.full(found.n, np.nan, np.float32) if found.confidence is None else found.confidence
        answers.append(Answers(found.sample_id[order], index[found.predicted][order], sure[order]))
    return answers, told


def _write(
    place: Location,
    sets: Sets,
    space: "Space",
    sheet: "Sheet",
    answers: Sequence[Answers | None],
    workers: Workers,
    progress: Progress,
) -> None:
    """All rows of all sets, set by set in store order, in one table that is written as they are placed."""
    from engine.maps.placing import placed

    schema = PREDICTED_SCHEMA if answers else COORDINATES_SCHEMA

    def write(file: BinaryIO) -> None:
        with (
            pq.ParquetWriter(file, schema, compression="zstd") as writer,
            progress.task("place", sets.rows, "rows") as task,
        ):
            for number, store in enumerate(sets.stores):
                for rows in placed(space, sheet, number, workers):
                    columns = _columns(rows, store, sets.class_names)
                    if answers:
                        columns |= _predicted(rows, answers[number], sets.class_names)
                    writer.write_table(pa.table([columns[name] for name in schema.names], schema=schema))
                    task.advance(len(rows.label))

    place.write_atomically(write)


def _columns(rows: "Placed", store: EmbeddingStore, class_names: Sequence[str]) -> dict[str, pa.Array]:
    made, n = store.provenance, len(rows.label)
    return {
        "sample_id": pa.array(rows.sample_id),
        "dataset": _named(np.zeros(n, np.int32), [made.dataset]),
        "split": _named(np.zeros(n, np.int32), [made.split]),
        "path": pa.array(rows.path, pa.string()),
        "label": pa.array(rows.label, pa.int32()),
        "class": _named(rows.label, class_names),
        "x": pa.array(rows.xy[:, 0]),
        "y": pa.array(rows.xy[:, 1]),
        "fitted": pa.array(rows.fitted),
    }


def _named(index: np.ndarray, names: Sequence[str]) -> pa.Array:
    """Names by index ``(n,)``, null where it is -1 or nothing is named."""
    unknown = (index < 0) | (index >= len(names))
    words = pa.array(list(names), pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(np.where(unknown, 0, index), pa.int32(), mask=unknown), words)


def _predicted(rows: "Placed", answers: Answers | None, class_names: Sequence[str]) -> dict[str, pa.Array]:
    """What was predicted for these rows; null for a row without a prediction, and `right` for one without a label."""
    n = len(rows.label)
    if answers is None or not len(answers.sample_id):
        return {field.name: pa.nulls(n, field.type) for field in PREDICTED_FIELDS}
    at = np.minimum(np.searchsorted(answers.sample_id, rows.sample_id), len(answers.sample_id) - 1)
    there = answers.sample_id[at] == rows.sample_id
    predicted, sure = np.where(there, answers.predicted[at], -1), answers.confidence[at]
    return {
        "predicted": pa.array(predicted, pa.int32(), mask=~there),
        "predicted_class": _named(predicted, class_names),
        "confidence": pa.array(sure, pa.float32(), mask=~there | np.isnan(sure)),
        "right": pa.array(predicted == rows.label, mask=~there | (rows.label < 0)),
    }


def _draw(place: Location, sets: Sets, method: str) -> None:
    """The figures of the table, each as PNG and as SVG."""
    from engine.draw import png
    from engine.draw.points.mapped import figures
    from engine.draw.vector import svg

    table, names = place / COORDINATES / POINTS, [store.name for store in sets.stores]
    found = pq.read_table(table.path, filesystem=table.filesystem)
    columns = {name: found[name].to_numpy() for name in ("x", "y", "label")}
    columns["set"] = pc.index_in(_set_names(found), pa.array(names)).to_numpy()
    if PREDICTED_FIELDS[0].name in found.schema.names:
        columns |= {name: found[name].cast(pa.float32()).to_numpy() for name in ("right", "confidence")}
    for name, figure in figures(columns, sets.class_names, names, method=method):
        for kind, bytes_of in (("png", png), ("svg", svg)):
            content = bytes_of(figure)
            (place / FIGURES / f"{name}.{kind}").write_atomically(lambda file, content=content: file.write(content))


def _set_names(table: pa.Table) -> pa.ChunkedArray:
    """The name of each row's set."""
    dataset, split = (table[name].cast(pa.string()) for name in ("dataset", "split"))
    return pc.binary_join_element_wise(dataset, split, "/")


def _judged(config: MapConfig, sets: Sets, space: "Space", sheet: "Sheet") -> list[Result]:
    """How much the map can be believed, and how many of its rows were laid out."""
    from engine.maps.quality import difference, displacement, first_rows, last_rows

    last = last_rows(space, sheet)
    found = _quality(last, "", config.seed)
    if not last.fitted.all():
        found |= _quality(first_rows(space, sheet), "_fitted", config.seed)
        found["placement_displacement"] = displacement(space, sheet, config.seed)
        if config.placement == "library":
            found["placement_difference"] = difference(space, sheet, last, BOTH_WAYS)
    fitted = sets.rows if sheet.sample is None else sheet.sample.rows
    return [
        *(_result(config, sets, name, *value) for name, value in found.items() if value is not None),
        _result(config, sets, "fitted_rows", fitted, None, None, sets.rows),
        _result(config, sets, "rows", sets.rows, None, None, sets.rows),
    ]


def _quality(judged: "Judged", suffix: str, seed: int) -> "dict[str, Measured]":
    from engine.maps.quality import neighbours_for, recall, trust

    k = neighbours_for(len(judged.x))
    ways = {"trustworthiness": trust, "neighbour_recall": recall}
    return {f"{name}{suffix}": way(judged.x, judged.xy, k, seed) for name, way in ways.items()} if k else {}


def _result(
    config: MapConfig, sets: Sets, metric: str, value: float, low: float | None, high: float | None, n: int
) -> Result:
    made = sets.stores[0].provenance
    dataset, split = (made.dataset, made.split) if len(sets.stores) == 1 else (sets.name, "")
    return Result(
        dataset=dataset, split=split, model=config.method, metric=metric, value=value, low=low, high=high, n=n
    )


def _notes(config: MapConfig, sets: Sets, sheet: "Sheet") -> list[str]:
    """What has to be said: what was laid out and what placed, and how."""
    if sheet.sample is None:
        return [*sheet.laid.told, f"all {sets.rows:,} rows have exact coordinates; nothing was sampled"]
    others = sets.rows - sheet.sample.rows
    way = "among their nearest" if config.placement == "neighbours" else "by the library's own transform"
    taken = f"a sample by set and class; the other {others:,} rows were placed {way}"
    return [*sheet.laid.told, taken if others else f"all {sets.rows:,} rows were laid out; none had to be placed"]


def _tables(sets: Sets, results: Sequence[Result]) -> list[Table]:
    rows = [(one.metric, _shown(one), _interval(one), one.n, MEANINGS[one.metric]) for one in results]
    return [Table(f"Map of {sets.name} by {results[0].model}", ("", "value", "95 % interval", "n", "meaning"), rows)]


def _shown(one: Result) -> float | int:
    return int(one.value) if one.metric.endswith("rows") else one.value


def _interval(one: Result) -> str:
    return "-" if one.low is None else f"{one.low:.3f} - {one.high:.3f}"

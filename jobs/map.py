"""`map`: two coordinates for every row of one or several stored sets in one common space."""

import time
from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Literal

from gapscope.core.budget import parse_bytes
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.extras import require
from gapscope.core.progress import SILENT, Progress
from gapscope.core.threads import processors
from gapscope.jobs import options
from gapscope.jobs.options import COMPUTE, METHOD, configuration, data_root, option
from gapscope.maps import MAPS

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.maps.member import Border, MapOptions
    from gapscope.maps.sets import Sets
    from gapscope.runs.folder import RunFolder
    from gapscope.runs.result import RunResult

JOB, COORDINATES = "map", "coordinates"
PLACEMENTS = ("neighbours", "library")
LEAST = {"neighbours": 2, "perplexity": 1, "sample": 1}
HEAD, PAIR = "head", 2
# What lays a map out beside what all are drawn with.
LIBRARIES = {"umap": ("umap",), "tsne": ("openTSNE",)}


@configuration
class MapConfig(options.Subset, options.OnWorkers, options.Reported):
    """Two coordinates for every row of one or several stored sets, in one common space.

    pca, lda and head are functions of each row. umap and tsne are laid out on a sample, by class and set, in the
    principal coordinates of all sets together; every other row is then placed among it, and the column `fitted` says
    which is which. Attributes of the images and columns of your own stand beside the coordinates. The Parquet table
    that is written opens in DuckDB, pandas and embedding-atlas as it is. A map that is there already is not made again.

        python cli.py map cifar10 --split test --method umap
        python cli.py map cifar10/test cifar10+night/test --method tsne --sample 20000
        python cli.py map cifar10 --method head --classes cat dog --run fit-incremental-cifar10
        python cli.py map cifar10 --method umap --only ids.parquet
        python cli.py map cifar10/test night/test --colour luminance sharpness
    """

    dataset: options.DatasetNames = field(kw_only=False)
    split: options.Split = "test"
    method: options.MapMethod = "umap"
    neighbours: options.Neighbours = 15
    perplexity: Annotated[float, option("Effective number of neighbours of t-SNE.", METHOD)] = 30.0
    sample: Annotated[
        int | None, option("Rows that umap and tsne lay out; 10,000 or what --memory allows when not given.", METHOD)
    ] = None
    placement: Annotated[
        Literal["neighbours", "library"],
        option("How other rows are placed: fast among neighbours, or by UMAP's and openTSNE's own transform.", METHOD),
    ] = "neighbours"
    classes: options.ClassPair = ()
    colour: Annotated[
        tuple[str, ...],
        option("Attributes of the images, or columns of your own, that further pictures are coloured by.", METHOD),
    ] = ()
    run: options.Run = ""
    model: options.ModelName = ""
    backbone: options.Backbone = ""
    no_seed: Annotated[
        bool,
        option("Lay umap out on all threads, in another way each time; with a seed it takes one thread.", COMPUTE),
    ] = False


def run(config: MapConfig, progress: Progress = SILENT) -> "RunResult":
    """Read the moments, lay out, place every row, measure the map; or find that all this was done. Then report."""
    from gapscope.core.location import Location
    from gapscope.maps.beside import check_colours, has_columns, names_beside
    from gapscope.maps.memory import check_memory  # these load SciPy and numba, and `--help` has to be instant
    from gapscope.maps.predicted import input_of_run
    from gapscope.maps.sets import alone, read_sets
    from gapscope.reports.write import reported
    from gapscope.runs.connection import check_worker_memory, connected
    from gapscope.runs.folder import find_finished, input_of, opened
    from gapscope.runs.run import RUNS, find_run
    from gapscope.runs.selection import Chosen
    from gapscope.schemas.coordinates import POINTS
    from gapscope.store.workspace import slug

    begun = time.perf_counter()
    check(config)
    workspace, chosen = Location.of(config.workspace).absolute(), Chosen.by(config)
    names = [one if "/" in one else f"{one}/{config.split}" for one in config.dataset]
    sets = read_sets(workspace, names, config.backbone, chosen)
    check_colours(config.colour, sets.stores)
    parts = alone(workspace, config.dataset, sets.stores)
    for one in parts:
        progress.say(one.removesuffix("."))
    model = find_run(workspace, config.run) if config.run else None
    size, needed = check_memory(config.method, sets, config.sample, parse_bytes(config.memory), config.threads)
    name = slug(config.name or "-".join([config.method, *sets.names]))
    inputs = [*map(input_of, sets.stores), *([input_of_run(model)] if model else []), *chosen.inputs]
    needs = f"{COORDINATES}/{POINTS}"
    there = find_finished(workspace / RUNS, f"{JOB}-{name}", config, inputs, needs=needs, besides="colour")
    there = there if there and has_columns(there / needs, names_beside(sets.stores)) else None
    if there:
        result = _shown_again(there, sets, config, begun)
    else:
        with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as folder:
            check_worker_memory(workers, needed, "mapping a set")
            notes = [*parts, *chosen.notes(sets.stores)]
            result = _mapped(config, sets, model, notes, size, folder, workers, progress)
    return reported(result, wanted=config.report, data_root=data_root())


def check(config: MapConfig) -> None:
    """Refuse options without a meaning, before anything is read.

    Raises
    ------
    InputError
        See above.
    """
    if config.method not in MAPS:
        raise unknown_name("map", config.method, MAPS)
    require(f"a map by {config.method}", *LIBRARIES.get(config.method, ()), "datashader")
    if config.placement not in PLACEMENTS:
        raise unknown_name("placement", config.placement, PLACEMENTS)
    if not config.dataset:
        raise InputError("no set to map; name at least one as dataset/split")
    if config.method == HEAD and len(config.classes) != PAIR:
        raise InputError("head separates two classes; name them with --classes, such as --classes cat dog")
    for name, least in LEAST.items():
        value = getattr(config, name)
        if value is not None and not value >= least:
            raise InputError(f"--{name} is {value:g}; give {least} or more")


def _mapped(
    config: MapConfig,
    sets: "Sets",
    model: "Location | None",
    said: Sequence[str],
    size: int,
    folder: "RunFolder",
    workers,
    progress: Progress,
) -> "RunResult":
    from gapscope.core.files import write_json
    from gapscope.maps.made import make_map
    from gapscope.maps.page import page
    from gapscope.maps.points import write_points
    from gapscope.maps.predicted import predicted_by
    from gapscope.maps.results import measure, notes_of
    from gapscope.maps.space import Space
    from gapscope.schemas.coordinates import ABOUT

    options = _options(config, sets, model)
    predicted, missing = predicted_by(model, config.model, sets) if model else ([], [])
    with folder.timed("moments"):
        space = Space.read(sets.views, workers, progress)
    with folder.timed("layout"):
        sheet = make_map(config.method, space, options, size, workers, progress)
    with folder.timed("place"):
        write_points(folder.place, sets, space, sheet, predicted, workers, progress)
    with folder.timed("judge"):
        results = measure(config.method, options, sets, space, sheet)
    notes = [*said, *notes_of(options, sets, sheet), *missing]
    about = {"method": config.method, "sets": sets.names, "class_names": sets.class_names, "notes": notes}
    write_json(folder.place / COORDINATES / ABOUT, about)
    with folder.timed("draw"):
        _draw(folder.place, sets, config)
    return folder.finish(results, page=page)


def _options(config: MapConfig, sets: "Sets", model: "Location | None") -> "MapOptions":
    """What every kind of map is made with.

    Raises
    ------
    InputError
        A class of ``--classes`` is not among those of the sets, or is named twice.
    """
    from gapscope.maps.member import MapOptions
    from gapscope.maps.sets import class_index
    from gapscope.runs.run import MODELS

    pair = tuple(class_index(name, sets.class_names) for name in config.classes) if config.method == HEAD else None
    if pair and pair[0] == pair[1]:
        raise InputError(f"--classes names {config.classes[0]} twice; name two different classes")
    border = _border(model / MODELS / config.model if config.model else model, sets, pair) if pair and model else None
    chosen = (config.neighbours, config.perplexity, config.placement, pair, border, config.seed)
    return MapOptions(*chosen, processors(), config.no_seed)


def _border(folder: "Location", sets: "Sets", pair: tuple[int, int]) -> "Border | None":
    """Where the model in `folder`, if it is a linear one on features as they are stored, scores both classes alike."""
    import numpy as np

    from gapscope.evaluation.stored import check_features
    from gapscope.maps.member import Border
    from gapscope.maps.sets import class_index
    from gapscope.probes.model import MODEL, load_model
    from gapscope.probes.rules.linear import Linear

    if not (folder / MODEL).exists():
        return None
    model = load_model(folder)
    check_features(model, sets.stores[0])
    if not isinstance(model.rule, Linear) or model.normalised:
        return None
    first, second = (class_index(sets.class_names[index], model.class_names) for index in pair)
    weight, bias = model.rule.weight.astype(np.float64), model.rule.bias.astype(np.float64)
    return Border(weight[first] - weight[second], float(bias[first] - bias[second]))


def _draw(place: "Location", sets: "Sets", config: MapConfig) -> None:
    """Write the figures of the map in the run folder at `place`, each as PNG and as SVG."""
    from gapscope.draw import png
    from gapscope.draw.canvas import svg
    from gapscope.draw.points.mapped import figures
    from gapscope.maps.page import READINGS
    from gapscope.maps.points import read_points
    from gapscope.runs.run import FIGURES

    columns, note = read_points(place, sets.names, config.colour), READINGS.get(config.method, "")
    for name, figure in figures(columns, sets.class_names, sets.names, colours=config.colour, note=note):
        for kind, bytes_of in (("png", png), ("svg", svg)):
            content = bytes_of(figure)
            (place / FIGURES / f"{name}.{kind}").write_atomically(lambda file, content=content: file.write(content))


def _shown_again(place: "Location", sets: "Sets", config: MapConfig, begun: float) -> "RunResult":
    """The result of the finished run at `place`, from its files; figures that it lacks are drawn.

    `begun` is the time, of `time.perf_counter`, from which its seconds count.
    """
    from gapscope.blocks import Sentence
    from gapscope.maps.page import BY, page
    from gapscope.runs.result import RunResult
    from gapscope.runs.run import FIGURES, read_run
    from gapscope.schemas.results import Result
    from gapscope.store.workspace import slug

    there = (place / FIGURES).names()
    if not there or any(f"{BY}{slug(one)}.png" not in there for one in config.colour):
        _draw(place, sets, config)
    run = read_run(place)
    results = [Result(**{("class_name" if key == "class" else key): row[key] for key in row}) for row in run.results]
    again = Sentence("The same map of the same rows was there already; nothing was computed.", headline=True)
    return RunResult(JOB, str(place), time.perf_counter() - begun, results, blocks=[*page(run), again])

"""`explore`: a local web app that shows every point of a map, with the image behind each."""

import os
import time
import webbrowser
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gapscope.core.errors import InputError
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.runs.folder import MANIFEST
from gapscope.runs.result import RunResult

if TYPE_CHECKING:  # these load Panel, and `--help` has to be instant
    from gapscope.explorer.serve import Served

JOB = "explore"
LAST_PORT = 65535


@dataclass(frozen=True, kw_only=True)
class ExploreConfig:
    """Look at a map in the browser: every point, drawn anew at each zoom, with the image behind each.

    Colour by label, prediction, right or wrong, confidence, set or the reasons that gap found; click a name of the
    legend to look at one category alone; draw a loop to see its images and to export their ids; search a class, a path
    or an id. The address of the page holds what was set, so it can be kept and shared. Answers this machine only, and
    shows images of the map's own datasets only. Ctrl-C ends it.

        python cli.py explore --map workspace/runs/map-umap-cifar10-test
        python cli.py explore --map workspace/runs/map-pca-digits-test --run workspace/runs/gap-digits --no-browser

    Attributes
    ----------
    map
        Folder of a run of map, or a Parquet table with its columns.
    run
        Runs whose predictions, or reasons of gap, are joined.
    port
        Where to listen; 0 takes a free one.
    no_browser
        Do not open a browser; say the address only.
    data_root
        Folder in which datasets are looked for; GAPSCOPE_DATA sets another default.
    workspace
        Where embeddings are, for the neighbours of a point, if they are not where the map found them.
    """

    map: str
    run: tuple[str, ...] = ()
    port: int = 0
    no_browser: bool = False
    data_root: Path = field(default_factory=lambda: Path(os.environ.get("GAPSCOPE_DATA", "data")))
    workspace: str = "workspace"


def run(config: ExploreConfig, progress: Progress = SILENT) -> RunResult:
    """Serve the map until the process is interrupted."""
    begun = time.perf_counter()
    served, told = started(config, progress)
    progress.say(f"{told} after {time.perf_counter() - begun:.1f} s: open {served.address} · Ctrl-C ends the explorer")
    if not config.no_browser:
        webbrowser.open(served.address)
    served.run()
    return RunResult(JOB, "", time.perf_counter() - begun, notes=["the explorer has ended"])


def started(config: ExploreConfig, progress: Progress = SILENT) -> "tuple[Served, str]":
    """A server that listens, and what it shows.

    Raises
    ------
    InputError
        There is no map, a run is none, or the port cannot be used.
    """
    if not 0 <= config.port <= LAST_PORT:
        raise InputError(f"--port is {config.port}; give a number up to {LAST_PORT}, or 0 for a free one")
    place = Location.of(config.map).absolute()
    from gapscope.explorer.join import joined
    from gapscope.explorer.load import read_points
    from gapscope.explorer.neighbours import stores_of
    from gapscope.explorer.pictures import Pictures
    from gapscope.explorer.serve import serve

    points, told = joined(read_points(place), [Location.of(run).absolute() for run in config.run])
    stores = stores_of(points, Location.of(config.workspace).absolute(), _inputs(place))
    made = {one: store.provenance.source for one, store in zip(points.sets, stores.stores, strict=False)}
    pictures = Pictures(points, config.data_root, made)
    told += [
        f"no images of {one.name}: there is no {one.dataset} below {config.data_root}; name its folder with --data-root"
        for one in pictures.missing()
    ]
    for sentence in told:
        progress.say(sentence)
    ready = "1 point is ready" if points.n == 1 else f"{points.n:,} points are ready"
    return serve(points, stores, pictures, config.port, told), ready


def _inputs(place: Location) -> list[dict]:
    """The stores that the map's run has read; none of a table that stands alone."""
    manifest = place / MANIFEST
    return read_json(manifest)["inputs"] if place.is_folder() and manifest.exists() else []

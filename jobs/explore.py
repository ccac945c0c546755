"""`explore`: a local web app that shows every point of a map, with the image behind each."""

import time
import webbrowser
from dataclasses import field, replace
from typing import TYPE_CHECKING, Annotated

from gapscope.core.errors import InputError
from gapscope.core.extras import require
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import COMPUTE, MODEL, OUTPUT, configuration, data_root, option

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.explorer.serve import Served
    from gapscope.runs.result import RunResult

JOB = "explore"
LAST_PORT = 65535


@configuration
class ExploreConfig:
    """Look at a map in the browser: every point, drawn anew at each zoom, with the image behind each.

    Colour by label, prediction, right or wrong, confidence, set or the reasons that gap found; click a name of the
    legend to look at one category alone; draw a loop to see its images and to export their ids; search a class, a path
    or an id. The address of the page holds what was set, the loop too, so it can be bookmarked. It also holds a token
    without which nothing is answered. Answers this machine only, and shows images of the map's own datasets only.
    Ctrl-C ends it.

        python cli.py explore map-umap-cifar10-test
        python cli.py explore map-pca-digits-test --run gap-digits --no-browser
    """

    map: Annotated[str, option("Map: a run of `map`, its folder, or a table with its columns.", MODEL)] = field(
        kw_only=False
    )
    run: options.Runs = ()
    texts: options.OptionalTexts = None
    port: Annotated[int, option("Where to listen; 0 takes a free one.", COMPUTE)] = 0
    no_browser: Annotated[bool, option("Do not open a browser; say the address only.", OUTPUT)] = False
    memory: options.Memory = "2GB"
    data_root: options.DataRoot = field(default_factory=data_root)
    workspace: options.Workspace = "workspace"


def run(config: ExploreConfig, progress: Progress = SILENT) -> "RunResult":
    """Serve the map until the process is interrupted."""
    from gapscope.blocks import Sentence
    from gapscope.runs.result import RunResult

    begun = time.perf_counter()
    served, ready = started(config, progress)
    progress.say(f"{ready} after {time.perf_counter() - begun:.1f} s: open {served.address} · Ctrl-C ends the explorer")
    if not config.no_browser:
        webbrowser.open(served.address)
    served.run()
    ended = Sentence("The explorer has ended.", headline=True)
    return RunResult(JOB, "", time.perf_counter() - begun, blocks=[ended])


def started(config: ExploreConfig, progress: Progress = SILENT) -> "tuple[Served, str]":
    """A server that listens, and what it shows.

    Raises
    ------
    InputError
        There is no map, a run is none, or the port cannot be used.
    """
    from gapscope.core.location import Location
    from gapscope.core.text import counted
    from gapscope.runs.run import find_run

    if not 0 <= config.port <= LAST_PORT:
        raise InputError(f"--port is {config.port}; give a number up to {LAST_PORT}, or 0 for a free one")
    require(JOB, "panel", "bokeh")
    from gapscope.explorer.join import joined
    from gapscope.explorer.load import read_points
    from gapscope.explorer.memory import check_memory
    from gapscope.explorer.neighbours import stores_of
    from gapscope.explorer.pictures import Pictures
    from gapscope.explorer.serve import serve

    workspace = Location.of(config.workspace).absolute()
    place = find_run(workspace, config.map).absolute()
    runs = [find_run(workspace, name).absolute() for name in config.run]
    check_memory(place, runs, config.memory)
    points, notes = joined(read_points(place), runs)
    stores = stores_of(points, workspace, _inputs(place))
    if config.texts is not None:
        from gapscope.explorer.phrases import phrases_of
        from gapscope.words.texts import Texts

        stores = replace(stores, phrases=phrases_of(stores.stores, Texts.load(config.texts)))
    places = {one: store.manifest.images for one, store in zip(points.sets, stores.stores, strict=False)}
    pictures = Pictures(points, config.data_root, places)
    notes += [
        f"no images of {one.name}: there is no {one.dataset} below {config.data_root}; name its folder with --data-root"
        for one in pictures.missing()
    ]
    for sentence in notes:
        progress.say(sentence)
    ready = f"{counted(points.n, 'point')} {'is' if points.n == 1 else 'are'} ready"
    return serve(points, stores, pictures, config.port, notes), ready


def _inputs(place: "Location") -> list[dict]:
    """The stores that the map's run has read; none of a table that stands alone."""
    from gapscope.core.files import read_json
    from gapscope.runs.run import MANIFEST

    manifest = place / MANIFEST
    return read_json(manifest)["inputs"] if place.is_folder() and manifest.exists() else []

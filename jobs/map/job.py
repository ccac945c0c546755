"""`map`: from the moments of the sets to a table of coordinates, its quality and its figures."""

import time
from collections.abc import Sequence

from gapscope.core.files import write_json
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.map.answers import answers_of, input_of_run
from gapscope.jobs.map.config import MapConfig
from gapscope.jobs.map.drawn import draw
from gapscope.jobs.map.earlier import finished, told_again
from gapscope.jobs.map.judged import judged
from gapscope.jobs.map.memory import check_memory
from gapscope.jobs.map.options import check, options_of
from gapscope.jobs.map.sets import Sets, sets_of
from gapscope.jobs.map.told import notes_of, tables_of
from gapscope.jobs.map.written import COORDINATES, write_points
from gapscope.jobs.reported import reported
from gapscope.runs.connection import check_worker_memory, connected
from gapscope.runs.folder import RunFolder, input_of, opened
from gapscope.runs.result import RunResult
from gapscope.runs.selection import Chosen
from gapscope.schemas.coordinates import ABOUT, POINTS
from gapscope.store.workspace import slug
from gapscope.stream import Workers

JOB = "map"


def run(config: MapConfig, progress: Progress = SILENT) -> RunResult:
    """Read the moments, lay out, place every row, judge the map; or find that all this was done. Then report."""
    return reported(_found(config, progress), wanted=config.report)


def _found(config: MapConfig, progress: Progress) -> RunResult:
    begun = time.perf_counter()
    check(config)
    workspace, chosen = Location.of(config.workspace).absolute(), Chosen.by(config)
    sets = sets_of(workspace, config, chosen)
    size, needed = check_memory(config, sets)
    name = slug(config.name or "-".join([config.method, *sets.names]))
    inputs = [*map(input_of, sets.stores), *input_of_run(config), *chosen.inputs]
    earlier = finished(workspace / "runs", f"{JOB}-{name}", config, inputs)
    if earlier:
        return told_again(JOB, earlier, sets, config.method, begun)
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as folder:
        check_worker_memory(workers, needed, "mapping a set")
        return _mapped(config, sets, chosen.notes(sets.stores), size, folder, workers, progress)


def _mapped(
    config: MapConfig,
    sets: Sets,
    told: Sequence[str],
    size: int,
    folder: RunFolder,
    workers: Workers,
    progress: Progress,
) -> RunResult:
    from gapscope.maps.made import make_map  # here, because `--help` passes this module and SciPy takes long to load
    from gapscope.maps.space import Space

    options = options_of(config, sets)
    answers, unanswered = answers_of(config, sets)
    with folder.timed("moments"):
        space = Space.read(sets.views, workers, progress)
    with folder.timed("layout"):
        sheet = make_map(config.method, space, options, size, workers, progress)
    target = folder.place / COORDINATES
    with folder.timed("place"):
        write_points(target / POINTS, sets, space, sheet, answers, workers, progress)
    with folder.timed("judge"):
        results = judged(config, sets, space, sheet)
    notes = [*told, *notes_of(config, sets, sheet), *unanswered]
    about = {"method": config.method, "sets": sets.names, "class_names": sets.class_names}
    write_json(target / ABOUT, about | {"notes": notes})
    with folder.timed("draw"):
        draw(folder.place, sets, config.method)
    return folder.finish(results, tables_of(sets, results), notes)

"""`shift`: from the summaries of all sets to verdicts, tables and the matrix of distances."""

from collections.abc import Sequence

from gapscope.core.budget import parse_bytes
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.reported import reported
from gapscope.jobs.shift.config import ShiftConfig
from gapscope.jobs.shift.found import compared, with_class_names
from gapscope.jobs.shift.label_shift import with_label_shift
from gapscope.jobs.shift.matrix import matrix
from gapscope.jobs.shift.memory import check_memory
from gapscope.jobs.shift.options import statistics_of
from gapscope.jobs.shift.sets import Sets, sets_of
from gapscope.jobs.shift.told import notes_of, tables_of
from gapscope.jobs.shift.written import results_of, write
from gapscope.runs.connection import check_worker_memory, connected
from gapscope.runs.folder import RunFolder, input_of, opened
from gapscope.runs.result import RunResult
from gapscope.store.workspace import slug
from gapscope.stream import Workers

JOB = "shift"
# Share of --memory that ranks may take, which are exact if both sets fit.
EXACT_SHARE = 4


def run(config: ShiftConfig, progress: Progress = SILENT) -> RunResult:
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


def _measured(
    config: ShiftConfig, names: Sequence[str], sets: Sets, folder: RunFolder, workers: Workers, progress: Progress
) -> RunResult:
    from gapscope.shifts.battery import Battery, ShiftOptions  # here, because `--help` passes this module

    exact = parse_bytes(config.memory) // EXACT_SHARE
    options = ShiftOptions(config.seed, config.replicates, config.neighbours, config.correction, exact)
    with folder.timed("read"):
        battery = Battery.read(sets.views, names, options, workers, progress)
    found = [compared(battery, index, store, folder, progress) for index, store in enumerate(sets.targets, 1)]
    notes = notes_of(sets)
    if sets.model:
        with folder.timed("label shift"):
            found, told = with_label_shift(config, sets, found, workers, progress)
        notes += told
    distances = matrix(battery, names, folder, progress) if len(found) > 1 else []
    found = [with_class_names(one, sets.reference.class_names) for one in found]
    write(folder, sets.reference, found)
    tables = [table for one in found for table in tables_of(sets.reference, one)]
    results = [result for one in found for result in results_of(sets.reference.name, one)]
    return folder.finish(results, [*tables, *distances], notes)

"""`evaluate`: from predictions to metrics with intervals, and to tables of reliability."""

import pyarrow as pa
from gapscope.core.errors import InputError
from gapscope.core.files import write_table
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.evaluate.asked import label_sets_of, of_run, read
from gapscope.jobs.evaluate.config import EvaluateConfig
from gapscope.jobs.evaluate.measured import BARS, bars_of, measured, multi_label_results
from gapscope.jobs.evaluate.told import notes_of, tables_of
from gapscope.predictions.run import PREDICTIONS
from gapscope.runs.folder import opened
from gapscope.runs.inputs import input_of_predictions, stem
from gapscope.runs.result import RunResult
from gapscope.runs.selection import Chosen
from gapscope.schemas.run import Input
from gapscope.store.workspace import slug

JOB = "evaluate"
RELIABILITY = "reliability.parquet"


def run(config: EvaluateConfig, progress: Progress = SILENT) -> RunResult:
    """Measure, and write results and reliability tables."""
    if bool(config.run) == bool(config.predictions):
        raise InputError("name either a run folder or a file with --predictions, not both and not neither")
    if config.replicates < 2:
        raise InputError(f"--replicates is {config.replicates}; an interval needs 2 or more, 200 are usual")
    source = Location.of(config.run or config.predictions)
    asked = of_run(config, source) if config.run else [config]
    names = [(one.dataset or stem(source), one.split) for one in asked]
    chosen = Chosen.by(config)
    chosen.choice.check(names)
    sets = label_sets_of(config)
    name = slug(config.name or "-".join(part for part in (stem(source), config.model) if part))
    inputs = [_input(source), *chosen.inputs]
    with opened(Location.of(config.workspace).absolute(), JOB, name, config, inputs) as made:
        results, bars, notes = [], [], chosen.choice.notes(names)
        for one in asked:
            found, told = chosen.of_predictions(read(one))
            progress.say(f"measuring {found.model} on {found.name}, {found.n:,} rows")
            with made.timed(f"evaluate {found.model} on {found.name}"):
                rows, counts = measured(one, found, whole=not told)
                rows += multi_label_results(found, sets) if sets else []
            results, bars = results + rows, bars + bars_of(found, counts)
            notes += [*told, *notes_of(found, rows, counts)]
        write_table(made.place / RELIABILITY, pa.Table.from_pylist(bars, BARS))
        return made.finish(results, tables_of(results, bars), list(dict.fromkeys(notes)))


def _input(source: Location) -> Input:
    """The record that the run reads `source`."""
    names = (source / PREDICTIONS).names() if source.is_folder() else []
    return input_of_predictions(source, [str(source), *names])

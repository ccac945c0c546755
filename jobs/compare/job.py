"""`compare`: from predictions for the same images to the differences of pairs, and to a line through two sets."""

import pyarrow as pa
from gapscope.core.errors import InputError
from gapscope.core.files import write_json
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.compare.config import CompareConfig
from gapscope.jobs.compare.line import against_line
from gapscope.jobs.compare.pairs import DIFFERENCES, rows_of, said_of_pairs, tables_of
from gapscope.jobs.compare.results import accuracies, results_of_pairs
from gapscope.jobs.compare.sides import sides_of
from gapscope.runs.folder import opened
from gapscope.runs.inputs import input_of_predictions, stem
from gapscope.runs.result import RunResult
from gapscope.store.workspace import slug

JOB = "compare"
TABLE, LINE = "differences.parquet", "line.json"


def run(config: CompareConfig, progress: Progress = SILENT) -> RunResult:
    """Compare, and write the pairs and the line."""
    from gapscope.evaluation.comparison import paired  # here, because `--help` passes this module

    _check(config)
    sides = sides_of(config)
    places = [Location.of(place) for place in dict.fromkeys(_places(config))]
    name = slug(config.name or "-".join(dict.fromkeys(stem(place) for place in places)))
    inputs = [input_of_predictions(place, str(place)) for place in places]
    with opened(Location.of(config.workspace).absolute(), JOB, name, config, inputs) as made:
        results, tables, notes, differences = [], [], [], []
        for side in sides:
            progress.say(f"comparing {len(side)} models on {side[0].name}, {side[0].n:,} images")
            with made.timed(f"compare on {side[0].name}"):
                pairs = paired(side, replicates=config.replicates, seed=config.seed)
            results += [*accuracies(side), *results_of_pairs(side[0], pairs)]
            tables += tables_of(side, pairs)
            differences += rows_of(side[0], pairs)
            notes.append(said_of_pairs(side[0], pairs))
        if len(sides) == 2:
            found, more, table, said = against_line(config, *sides)
            results, tables, notes = results + more, [*tables, table], [*notes, *said]
            write_json(made.place / LINE, found)
        made.write_table(TABLE, pa.Table.from_pylist(differences, DIFFERENCES))
        return made.finish(results, tables, [note for note in notes if note])


def _check(config: CompareConfig) -> None:
    if bool(config.reference) != bool(config.target):
        raise InputError("--reference and --target belong together: name the set to start from and the other one")
    if not (config.runs or config.predictions or config.reference):
        raise InputError("name run folders, or files with --predictions, or with --reference and --target")
    if config.runs and config.predictions:
        raise InputError("name run folders or files with --predictions, not both")
    if config.predictions and config.reference:
        raise InputError("with files, --reference and --target name them; leave --predictions out")
    if config.baseline_line and not config.reference:
        raise InputError("--baseline-line needs two sets; name them with --reference and --target")
    if config.replicates < 2:
        raise InputError(f"--replicates is {config.replicates}; an interval needs 2 or more, 200 are usual")


def _places(config: CompareConfig) -> tuple[str, ...]:
    return config.runs or config.predictions or (*config.reference, *config.target)

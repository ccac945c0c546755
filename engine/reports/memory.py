"""The memory that a report takes, known before the first prediction of its runs is read."""

from collections.abc import Sequence

from gapscope.predictions.memory import ROW_BYTES, TIMES_FILE, check_predictions, run_bytes
from gapscope.reports.samples import REASONS
from gapscope.runs.run import Run

# Bytes a row of a set whose images are shown: their names and labels, of all that are listed.
LISTED = 300


def check_memory(runs: Sequence[Run], allowed: str) -> None:
    """Refuse, before a row is read, runs of which a set of predictions would not fit: they are read one after another.

    Raises
    ------
    BudgetError
        The projected need of the largest is above what is `allowed`, such as ``2GB``.
    """
    sets = [needed for run in runs for model in run_bytes(run.place) for needed in model.values()]
    tables = [TIMES_FILE * (run.place / REASONS).size() for run in runs if (run.place / REASONS).exists()]
    largest = max(sets, default=0)
    needed = [largest, largest // ROW_BYTES * LISTED, max(tables, default=0)]
    subject = f"a report of {runs[0].name if len(runs) == 1 else f'{len(runs)} runs'}"
    check_predictions(subject, needed, allowed)

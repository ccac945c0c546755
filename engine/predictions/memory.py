"""The memory that predictions take, known before the first of their rows is read."""

from collections.abc import Sequence

import pyarrow.parquet as pq

from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.location import Location
from gapscope.predictions.run import is_run, models_in_run, predictions_of_run, sets_in_run

# Bytes a row of one model: its columns, the table that they come from, and what is counted of them.
ROW_BYTES = 450
# Bytes a row of each column of a wide table, which has one for each model.
COLUMN_BYTES = 60
# Whatever their number: a block of a bootstrap, tables as they are read, results and pages.
FIXED = 2**27
# Text and tables of other forms, in memory as a multiple of their files.
TIMES_FILE = 4
PARQUET = ".parquet"


def predictions_bytes(place: Location) -> int:
    """What reading the predictions at a place takes at most: a folder of parts, a Parquet table, or any other file."""
    if place.is_folder():
        return sum(predictions_bytes(place / name) for name in place.names() if name.endswith(PARQUET))
    size = place.size() if place.exists() else 0
    rows, columns = shape_of(place) if place.name.endswith(PARQUET) else (0, 0)
    return max(max(ROW_BYTES, COLUMN_BYTES * columns) * rows, TIMES_FILE * size)


def set_bytes(place: Location, model: str = "", dataset: str = "", split: str = "") -> int:
    """The same of the predictions of one model for one set, where the place is a run."""
    return predictions_bytes(predictions_of_run(place, model, dataset, split).place if is_run(place) else place)


def run_bytes(run: Location, model: str = "") -> list[dict[tuple[str, str], int]]:
    """What reading the predictions for each set takes, of each model of a run or of the one that is named."""
    models = [model] if model else models_in_run(run) or [""]
    return [{pair: set_bytes(run, one, *pair) for pair in sets_in_run(run, one).values()} for one in models]


def check_predictions(what: str, needed: Sequence[int], allowed: str, way_out: str = "raise --memory") -> None:
    """Refuse, before a row is read, predictions that would not fit together.

    Raises
    ------
    BudgetError
        The sum of the `needed` bytes, and of what any take, is above what is `allowed`, such as ``2GB``.
    """
    Budget(parse_bytes(allowed)).require(FIXED + sum(needed), what, way_out)


def shape_of(place: Location) -> tuple[int, int]:
    """Rows and columns of a Parquet table; none of what is no such table."""
    try:
        with place.open_input() as file:
            footer = pq.read_metadata(file)
            return int(footer.num_rows), int(footer.num_columns)
    except (OSError, ValueError):
        return 0, 0  # whoever reads it says what is wrong with it

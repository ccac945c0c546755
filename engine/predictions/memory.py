"""The memory that predictions take, known before the first of their rows is read."""

from collections.abc import Sequence

import pyarrow.parquet as pq

from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.location import Location
from gapscope.predictions.run import is_run, predictions_of_run

# Bytes a row of one model: its columns, the table that they come from, and what is counted of them.
ROW_BYTES = 450
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
    return max(ROW_BYTES * _rows(place), TIMES_FILE * size) if place.name.endswith(PARQUET) else TIMES_FILE * size


def set_bytes(place: Location, model: str = "", dataset: str = "", split: str = "") -> int:
    """The same of the predictions of one model for one set, where the place is a run."""
    return predictions_bytes(predictions_of_run(place, model, dataset, split).place if is_run(place) else place)


def check_predictions(what: str, needed: Sequence[int], allowed: str, way_out: str = "raise --memory") -> None:
    """Refuse, before a row is read, predictions that would not fit together.

    Raises
    ------
    BudgetError
        The sum of the `needed` bytes, and of what any take, is above what is `allowed`, such as ``2GB``.
    """
    Budget(parse_bytes(allowed)).require(FIXED + sum(needed), what, way_out)


def _rows(place: Location) -> int:
    try:
        with place.open_input() as file:
            return int(pq.read_metadata(file).num_rows)
    except (OSError, ValueError):
        return 0  # whoever reads it says what is wrong with it

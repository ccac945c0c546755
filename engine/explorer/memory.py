"""The memory that looking at a map takes, known before its first point is read."""

from collections.abc import Sequence

from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.location import Location
from gapscope.explorer.load import table_of
from gapscope.predictions.memory import run_bytes, shape_of

# Bytes of a point: its row of the table as it is read, its place, name, colourings and orders by them; of each further
# column of the table; of what each model of a run says of it.
POINT, COLUMN, MODEL = 240, 40, 40
# Columns of any map.
USUAL = 8
# What a window draws, whatever the number of points.
FIXED = 2**26


def check_memory(place: Location, runs: Sequence[Location], allowed: str) -> None:
    """Refuse, before a point is read, the map in a run folder or a table that would not fit with what `runs` say of it.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    rows, columns = shape_of(table_of(place))
    said = [sum(model.values()) for run in runs for model in run_bytes(run)]
    point = POINT + COLUMN * max(0, columns - USUAL) + MODEL * len(said)
    needed = FIXED + rows * point + max(said, default=0)
    what = f"a map of {rows:,} points with {columns} columns"
    Budget(parse_bytes(allowed)).require(needed, what, "map fewer rows with `map --only`, or raise --memory")

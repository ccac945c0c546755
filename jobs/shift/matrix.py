"""The distances between all sets, two by two, and the tree that they make."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa
from gapscope.core.progress import Progress
from gapscope.runs.folder import RunFolder
from gapscope.runs.result import Table
from gapscope.shifts import SHIFTS

if TYPE_CHECKING:  # this loads much of SciPy, and `--help` has to be instant
    from gapscope.shifts.battery import Battery

DISTANCES, LINKAGE = "distances.parquet", "linkage.parquet"


def matrix(battery: "Battery", names: Sequence[str], folder: RunFolder, progress: Progress) -> list[Table]:
    """Distances between all sets by the statistics that read once, written with their trees."""
    from gapscope.shifts.matrix import distances

    once = [name for name in names if not SHIFTS[name].rereads]
    progress.say(f"comparing {len(battery.views)} sets two by two")
    with folder.timed("matrix"):
        found = distances(battery, once)
    for place, rows in ((DISTANCES, [one.rows() for one in found]), (LINKAGE, [one.tree() for one in found])):
        folder.write_table(place, pa.Table.from_pylist(list(chain.from_iterable(rows))))
    return [
        Table(
            f"Distances between all sets: {one.statistic}",
            ("set", *one.sets),
            [(name, *map(float, row)) for name, row in zip(one.sets, one.values, strict=True)],
        )
        for one in found
    ]

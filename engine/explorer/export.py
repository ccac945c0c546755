"""The ids of selected points as a table that other commands read, that of `gapscope.schemas.selection`."""

from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.csv

from gapscope.core.files import table_bytes
from gapscope.explorer.points import Points
from gapscope.schemas.selection import SELECTION_SCHEMA


def ids_of(points: Points, chosen: np.ndarray) -> pa.Table:
    """A row for each of the points ``chosen : (m,) int64``, in their order."""
    member = points.member[chosen]
    words = [pa.array([one[part] for one in points.sets], pa.string()).take(pa.array(member)) for part in (0, 1)]
    return pa.table([pa.array(points.sample_id[chosen]), *words], schema=SELECTION_SCHEMA)


def as_csv(table: pa.Table) -> BytesIO:
    """The table as a CSV file with a header."""
    file = BytesIO()
    pyarrow.csv.write_csv(table, file, pyarrow.csv.WriteOptions(quoting_style="needed"))
    file.seek(0)
    return file


def as_parquet(table: pa.Table) -> BytesIO:
    """The table as a Parquet file."""
    return BytesIO(table_bytes(table))

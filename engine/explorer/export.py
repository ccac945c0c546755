"""Selected points as tables: ids for other commands, as `gapscope.schemas.selection` has them; columns for people."""

from io import BytesIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from gapscope.core.files import table_bytes
from gapscope.explorer.points import Points
from gapscope.explorer.words import UNTOLD
from gapscope.schemas.selection import SELECTION_SCHEMA

# Rows that the table holds; the export has all.
MOST = 5000


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


def frame_of(points: Points, chosen: np.ndarray) -> pd.DataFrame:
    """The points ``chosen : (m,)``, at most `MOST`, with the id, the set and what is known of each; no columns of which
    nothing is known.
    """
    chosen = chosen[:MOST]
    columns = {"id": points.sample_id[chosen]}
    for key, one in points.colourings.items():
        if key == points.confidence_key:
            columns[one.title] = points.confidence[chosen].astype(np.float64)
        elif one.values is not None:
            columns[one.title] = one.values[chosen].astype(np.float64)
        elif not set(words := np.array(one.names, object)[one.code[chosen]]) <= set(UNTOLD):
            columns[one.title] = words
    if len(points.sets) == 1:
        columns.pop(points.colourings["dataset"].title, None)
    columns["path"] = points.path.take(chosen).to_pylist() if len(chosen) else []
    return pd.DataFrame(columns)

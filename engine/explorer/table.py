"""Selected points as a table for people."""

import numpy as np
import pandas as pd

from gapscope.explorer.points import Points
from gapscope.explorer.words import UNTOLD

# Rows that the table holds; the export has all.
MOST = 5000


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

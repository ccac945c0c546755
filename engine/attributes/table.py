"""What is measured of images, as the table that stands beside the part of a store."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from gapscope.attributes import ATTRIBUTES
from gapscope.attributes.attribute import Measured
from gapscope.schemas.attributes import attributes_schema

NAMES = tuple(ATTRIBUTES)
UNKNOWN = Measured(np.full(len(NAMES), np.nan), "")


def table_of(sample_id: np.ndarray, measured: Sequence[Measured]) -> pa.Table:
    """A row for each image ``sample_id : (n,)``, in this order."""
    numbers = np.stack([one.numbers for one in measured or [UNKNOWN]]).astype(np.float32)[: len(measured)]
    cameras = pa.array([one.camera or None for one in measured], pa.string())
    columns = [pa.array(np.asarray(sample_id, np.int64)), *(pa.array(column) for column in numbers.T), cameras]
    return pa.Table.from_arrays(columns, schema=attributes_schema(NAMES))

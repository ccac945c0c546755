"""The tables beside the parts of a store: what is measured of each image, and the columns that its user brought."""

from collections.abc import Sequence

import pyarrow as pa

# Beside the part of the same number.
ATTRIBUTES_NAME, COLUMNS_NAME = "attributes-{:05d}.parquet", "columns-{:05d}.parquet"
BESIDE = ("attributes-", "columns-")
SAMPLE_ID = pa.field("sample_id", pa.int64(), nullable=False)
CAMERA = pa.field("camera", pa.string())


def attributes_schema(names: Sequence[str]) -> pa.Schema:
    """A number for each attribute in `names`, NaN where an image has none, and the camera, null where it is unknown."""
    numbers = [pa.field(name, pa.float32(), nullable=False) for name in names]
    return pa.schema([SAMPLE_ID, *numbers, CAMERA])

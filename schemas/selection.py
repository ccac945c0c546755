"""The selection table: images by name, as the explorer exports them and jobs take them back."""

import pyarrow as pa

SELECTION_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.int64(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ]
)

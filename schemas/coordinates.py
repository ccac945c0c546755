"""The coordinates table: a row for each row of the mapped sets, with its place on the map and what is known of it."""

import pyarrow as pa

POINTS, ABOUT = "points.parquet", "about.json"
NAME = pa.dictionary(pa.int32(), pa.string())

COORDINATES_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.int64(), nullable=False),
        pa.field("dataset", NAME, nullable=False),
        pa.field("split", NAME, nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("class", NAME),
        pa.field("x", pa.float32(), nullable=False),
        pa.field("y", pa.float32(), nullable=False),
        pa.field("fitted", pa.bool_(), nullable=False),
    ]
)
# Behind these, where a run's predictions are joined; null in a set that the run has not predicted.
PREDICTED_FIELDS = [
    pa.field("predicted", pa.int32()),
    pa.field("predicted_class", NAME),
    pa.field("confidence", pa.float32()),
    pa.field("right", pa.bool_()),
]
PREDICTED_SCHEMA = pa.schema([*COORDINATES_SCHEMA, *PREDICTED_FIELDS])

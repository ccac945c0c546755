"""The table of synthetic rows: where each comes from, how it was checked, and why it passed or not."""

import pyarrow as pa

COPY_OF_TRAINING, COPY_OF_TEST = "copy_of_training", "copy_of_test"
OFF_CLASS, OFF_MANIFOLD, KEPT = "off_class", "off_manifold", ""
# In the order in which they are given: a row has one reason, the first that holds.
REASONS = (COPY_OF_TRAINING, COPY_OF_TEST, OFF_MANIFOLD, OFF_CLASS)

SYNTHETIC_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.int64(), nullable=False),
        pa.field("class", pa.int32(), nullable=False),
        pa.field("generator", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("index", pa.int64(), nullable=False),
        pa.field("nearest_training", pa.int64(), nullable=False),
        pa.field("training_distance", pa.float32(), nullable=False),
        pa.field("nearest_test", pa.int64(), nullable=True),
        pa.field("test_distance", pa.float32(), nullable=True),
        pa.field("copy_rank", pa.float32(), nullable=False),
        pa.field("label_probability", pa.float32(), nullable=False),
        pa.field("label_threshold", pa.float32(), nullable=False),
        pa.field("manifold_distance", pa.float32(), nullable=False),
        pa.field("manifold_threshold", pa.float32(), nullable=False),
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)

"""The predictions table: one row per image and model, from probes and networks alike.

Predictions for a set that has synthetic rows have one column more, ``is_synthetic``; where it is absent, no row is.
Those of networks that read images have ``digest``.
Those of a file have ``log_probabilities`` where it has numbers for all classes, and no ``log_likelihood`` where the
file says nothing of it.
"""

import pyarrow as pa

TOP = 5

PREDICTIONS_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.int64(), nullable=False),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("predicted", pa.int32(), nullable=False),
        pa.field("confidence", pa.float32(), nullable=False),
        pa.field("log_likelihood", pa.float32(), nullable=True),
        pa.field("top", pa.list_(pa.int32()), nullable=False),
    ]
)

# Of what each image was made from, as in stores; networks that predict from images write it.
DIGEST = pa.field("digest", pa.uint64(), nullable=False)

SYNTHETIC = pa.field("is_synthetic", pa.bool_(), nullable=False)

LOG_PROBABILITIES = pa.field("log_probabilities", pa.list_(pa.float32()), nullable=False)

"""The reasons table: one row per target image, with what speaks for or against the model's answer."""

import pyarrow as pa

CODES = (
    "ambiguous_label",
    "confusable_pair",
    "near_boundary",
    "far_from_training",
    "very_far_from_training",
    "domain_direction",
    "likely_label_error",
    "unusual_image",
    "hard_slice",
)
# Those that attributes of the images give, where they are known; the last two of all.
OF_IMAGES = CODES[-2:]

REASONS_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.int64(), nullable=False),
        pa.field("path", pa.string(), nullable=True),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("predicted", pa.int32(), nullable=False),
        pa.field("runner_up", pa.int32(), nullable=False),
        pa.field("right", pa.bool_(), nullable=True),
        pa.field("probability", pa.float32(), nullable=True),
        pa.field("runner_up_probability", pa.float32(), nullable=True),
        pa.field("label_probability", pa.float32(), nullable=True),
        pa.field("suggested", pa.int32(), nullable=False),
        pa.field("boundary", pa.float32(), nullable=False),
        pa.field("strangeness", pa.float32(), nullable=False),
        pa.field("domain", pa.float32(), nullable=True),
        *(pa.field(code, pa.bool_(), nullable=False) for code in CODES),
        # What attributes and columns say of the image, in words.
        pa.field("image_reason", pa.string()),
    ]
)

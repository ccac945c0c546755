"""The results table: one long table of metrics, and the JSON object that a job prints."""

from typing import Any

import pyarrow as pa

from gapscope.schemas.embeddings import Strict

RESULTS_SCHEMA = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("class", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("n", pa.int64(), nullable=False),
    ]
)


class Result(Strict):
    """One metric of one model on one split; `class_name` is None for a metric of all classes together.

    `low` and `high` bound a 95 % interval where the metric has one. Written under the column name ``class``.
    """

    dataset: str
    split: str
    model: str
    metric: str
    class_name: str | None = None
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int

    def row(self) -> dict[str, Any]:
        """The result as a row of the results table."""
        return {("class" if key == "class_name" else key): value for key, value in self.model_dump().items()}

"""The table of coordinates that a map leaves, written as its rows are placed."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gapscope.core.files import BLANK, KEY, write_sealed
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.jobs.map.answers import Answers
from gapscope.jobs.map.sets import Sets
from gapscope.schemas.coordinates import COORDINATES_SCHEMA, PREDICTED_FIELDS, PREDICTED_SCHEMA
from gapscope.store import EmbeddingStore
from gapscope.stream import Workers

if TYPE_CHECKING:  # these load SciPy and numba, and `--help` has to be instant
    from gapscope.maps.made import Sheet
    from gapscope.maps.placing import Placed
    from gapscope.maps.space import Space

COORDINATES = "coordinates"


def write_points(
    place: Location,
    sets: Sets,
    space: "Space",
    sheet: "Sheet",
    answers: Sequence[Answers | None],
    workers: Workers,
    progress: Progress,
) -> None:
    """Write all rows of all sets, set by set in store order, into one table at `place`."""
    schema = (PREDICTED_SCHEMA if answers else COORDINATES_SCHEMA).with_metadata({KEY: BLANK})

    def write(file: BinaryIO) -> None:
        with (
            pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
            progress.task("place", sets.rows, "rows") as task,
        ):
            for columns in _placed(sets, space, sheet, answers, workers):
                writer.write_table(pa.table([columns[name] for name in schema.names], schema=schema))
                task.advance(len(columns["label"]))

    write_sealed(place, write)


def _placed(
    sets: Sets, space: "Space", sheet: "Sheet", answers: Sequence[Answers | None], workers: Workers
) -> Iterator[dict[str, pa.Array]]:
    """The columns of some rows after the other."""
    from gapscope.maps.placing import placed

    for number, store in enumerate(sets.stores):
        for rows in placed(space, sheet, number, workers):
            predicted = _predicted(rows, answers[number], sets.class_names) if answers else {}
            yield _columns(rows, store, sets.class_names) | predicted


def _columns(rows: "Placed", store: EmbeddingStore, class_names: Sequence[str]) -> dict[str, pa.Array]:
    made, n = store.provenance, len(rows.label)
    return {
        "sample_id": pa.array(rows.sample_id),
        "dataset": _named(np.zeros(n, np.int32), [made.dataset]),
        "split": _named(np.zeros(n, np.int32), [made.split]),
        "path": pa.array(rows.path, pa.string()),
        "label": pa.array(rows.label, pa.int32()),
        "class": _named(rows.label, class_names),
        "x": pa.array(rows.xy[:, 0]),
        "y": pa.array(rows.xy[:, 1]),
        "fitted": pa.array(rows.fitted),
    }


def _predicted(rows: "Placed", answers: Answers | None, class_names: Sequence[str]) -> dict[str, pa.Array]:
    """What was predicted for these rows; null for a row without a prediction, and `right` for one without a label."""
    n = len(rows.label)
    if answers is None or not len(answers.sample_id):
        return {field.name: pa.nulls(n, field.type) for field in PREDICTED_FIELDS}
    at = np.minimum(np.searchsorted(answers.sample_id, rows.sample_id), len(answers.sample_id) - 1)
    there = answers.sample_id[at] == rows.sample_id
    predicted, sure = np.where(there, answers.predicted[at], -1), answers.confidence[at]
    return {
        "predicted": pa.array(predicted, pa.int32(), mask=~there),
        "predicted_class": _named(predicted, class_names),
        "confidence": pa.array(sure, pa.float32(), mask=~there | np.isnan(sure)),
        "right": pa.array(predicted == rows.label, mask=~there | (rows.label < 0)),
    }


def _named(index: np.ndarray, names: Sequence[str]) -> pa.Array:
    """Names by index ``(n,)``, null where it is -1 or nothing is named."""
    unknown = (index < 0) | (index >= len(names))
    words = pa.array(list(names), pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(np.where(unknown, 0, index), pa.int32(), mask=unknown), words)

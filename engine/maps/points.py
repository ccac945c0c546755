"""The table of coordinates that a map leaves, written as its rows are placed and read to be drawn."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gapscope.core.files import BLANK, KEY, read_table, write_sealed
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.maps.beside import Beside
from gapscope.maps.made import Sheet
from gapscope.maps.placing import Placed, placed
from gapscope.maps.predicted import Predicted
from gapscope.maps.sets import Sets
from gapscope.maps.space import Space
from gapscope.schemas.coordinates import COORDINATES_SCHEMA, POINTS, PREDICTED_FIELDS, PREDICTED_SCHEMA
from gapscope.store import EmbeddingStore
from gapscope.stream import Workers

COORDINATES = "coordinates"


def write_points(
    run: Location,
    sets: Sets,
    space: Space,
    sheet: Sheet,
    predicted: Sequence[Predicted | None],
    workers: Workers,
    progress: Progress,
) -> None:
    """Write all rows of all sets, set by set in store order, into the table of the run folder `run`."""
    known = Beside.of(sets.stores)
    own = PREDICTED_SCHEMA if predicted else COORDINATES_SCHEMA
    schema = pa.schema([*own, *known.fields]).with_metadata({KEY: BLANK})

    def write(file: BinaryIO) -> None:
        with (
            pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
            progress.task("place", sets.rows, "rows") as task,
        ):
            for columns in _placed(sets, space, sheet, predicted, known, workers):
                writer.write_table(pa.table([columns[name] for name in schema.names], schema=schema))
                task.advance(len(columns["label"]))

    write_sealed(run / COORDINATES / POINTS, write)


def read_points(run: Location, set_names: Sequence[str], beside: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """What is drawn of each row, ``(n,)`` each: x, y, label, the number of its set, where joined what is right, and
    the columns `beside` by name: numbers with NaN, or texts with None.
    """
    table = read_table(run / COORDINATES / POINTS)
    columns = {name: table[name].to_numpy() for name in ("x", "y", "label")}
    columns["set"] = pc.index_in(set_of_rows(table), pa.array(set_names)).to_numpy()
    if PREDICTED_FIELDS[0].name in table.schema.names:
        columns |= {name: table[name].cast(pa.float32()).to_numpy() for name in ("right", "confidence")}
    return columns | {name: _values(table[name]) for name in beside}


def _values(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy() if pa.types.is_floating(column.type) else column.cast(pa.string()).to_numpy()


def set_of_rows(table: pa.Table) -> pa.ChunkedArray:
    """The name of each row's set, as dataset/split."""
    dataset, split = (table[name].cast(pa.string()) for name in ("dataset", "split"))
    return pc.binary_join_element_wise(dataset, split, "/")


def _placed(
    sets: Sets,
    space: Space,
    sheet: Sheet,
    predicted: Sequence[Predicted | None],
    known: Beside,
    workers: Workers,
) -> Iterator[dict[str, pa.Array]]:
    """The columns of some rows after the other."""
    for number, store in enumerate(sets.stores):
        start = 0
        for rows in placed(space, sheet, number, workers):
            joined = _joined(rows, predicted[number], sets.class_names) if predicted else {}
            beside = known.rows(number, start, len(rows.label))
            yield _columns(rows, store, sets.class_names) | joined | beside
            start += len(rows.label)


def _columns(rows: Placed, store: EmbeddingStore, class_names: Sequence[str]) -> dict[str, pa.Array]:
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


def _joined(rows: Placed, predicted: Predicted | None, class_names: Sequence[str]) -> dict[str, pa.Array]:
    """What was predicted for these rows; null for a row without a prediction, and `right` for one without a label."""
    n = len(rows.label)
    if predicted is None or not len(predicted.sample_id):
        return {field.name: pa.nulls(n, field.type) for field in PREDICTED_FIELDS}
    at = np.minimum(np.searchsorted(predicted.sample_id, rows.sample_id), len(predicted.sample_id) - 1)
    there = predicted.sample_id[at] == rows.sample_id
    label, confidence = np.where(there, predicted.label[at], -1), predicted.confidence[at]
    return {
        "predicted": pa.array(label, pa.int32(), mask=~there),
        "predicted_class": _named(label, class_names),
        "confidence": pa.array(confidence, pa.float32(), mask=~there | np.isnan(confidence)),
        "right": pa.array(label == rows.label, mask=~there | (rows.label < 0)),
    }


def _named(index: np.ndarray, names: Sequence[str]) -> pa.Array:
    """Names by index ``(n,)``, null where it is -1 or nothing is named."""
    unknown = (index < 0) | (index >= len(names))
    words = pa.array(list(names), pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(np.where(unknown, 0, index), pa.int32(), mask=unknown), words)

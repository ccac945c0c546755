"""A queue of images to label as files: CSV and Parquet with an empty column to fill in, and tasks of Label Studio."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from gapscope.core.errors import GapscopeError
from gapscope.core.files import write_json
from gapscope.core.location import Location
from gapscope.predictions import Predictions
from gapscope.repairs.queue import REASONS, By, Worth
from gapscope.runs.folder import RunFolder
from gapscope.store import EmbeddingStore, Piece
from gapscope.store.selected import Selected, rows_of, whole_of
from gapscope.store.workspace import find_store

CSV, PARQUET, LABEL_STUDIO = "queue.csv", "queue.parquet", "label-studio.json"


def table_of(worth: Worth, by: By, store: EmbeddingStore | Selected, class_names: Sequence[str]) -> pa.Table:
    """A row for each image, first to be labelled first; `label` is to be filled in."""
    path = _paths(store, worth.sample_id)
    rows = [
        {
            "order": place,
            "sample_id": int(one),
            "image": path[int(one)],
            "predicted": class_names[predicted],
            "confidence": None if np.isnan(confidence) else float(confidence),
            "reason": _reason(by, confidence, margin),
            "dataset": store.provenance.dataset,
            "split": store.provenance.split,
            "label": "",
        }
        for place, (one, predicted, confidence, margin) in enumerate(zip(*worth[2:], strict=True))
    ]
    return pa.Table.from_pylist(rows)


def _reason(by: By, confidence: float, margin: float) -> str:
    kind = "unsure" if by == "doubt" and np.isnan(margin) else by
    return REASONS[kind].format(margin=margin, confidence=confidence)


def _paths(store: EmbeddingStore | Selected, sample_id: np.ndarray) -> dict[int, str]:
    """The image of each sample id."""
    store = whole_of(store)
    ids = store.sample_ids()
    kept = np.isin(ids, sample_id)
    chosen = rows_of(store, kept, "")
    return dict(zip(ids[kept].tolist(), chosen.paths(Piece(0, chosen.rows)), strict=True))


def tasks_of(table: pa.Table) -> list[dict[str, Any]]:
    """Tasks of Label Studio with the model's prediction, for a template with a Choices tag ``choice`` of ``image``."""
    return [
        {
            "data": {name: row[name] for name in ("image", "sample_id", "reason")},
            "predictions": [{"result": [_choice(row["predicted"])], "score": row["confidence"]}],
        }
        for row in table.to_pylist()
    ]


def _choice(name: str) -> dict[str, Any]:
    return {"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": [name]}}


def write_review(rows: Predictions, workspace: Location, made: RunFolder) -> None:
    """Write images whose labels to review: their label is shown, and no prediction, which would sway the reviewer."""
    names = _image_names(rows, workspace)
    table = pa.Table.from_pylist(
        [
            {"order": place, "sample_id": int(one), "image": name, "given": rows.class_names[label], "label": ""}
            for place, (one, name, label) in enumerate(zip(rows.sample_id, names, rows.label, strict=True))
        ]
    )
    tasks = [{"data": {name: row[name] for name in ("image", "sample_id", "given")}} for row in table.to_pylist()]
    _write(table, tasks, made)


def _image_names(rows: Predictions, workspace: Location) -> list[str]:
    """The images as the predictions name them, else as a store of their set does, else by number."""
    if rows.image is not None:
        return rows.image.to_pylist()
    try:
        path = _paths(find_store(workspace, rows.dataset, rows.split), rows.sample_id)
    except GapscopeError:
        path = {}
    return [path.get(int(one), str(one)) for one in rows.sample_id]


def write(table: pa.Table, made: RunFolder) -> None:
    """Write the queue in all three forms into the run."""
    _write(table, tasks_of(table), made)


def _write(table: pa.Table, tasks: list[dict[str, Any]], made: RunFolder) -> None:
    made.write_table(PARQUET, table)
    (made.place / CSV).write_atomically(lambda file: pyarrow.csv.write_csv(table, file))
    write_json(made.place / LABEL_STUDIO, tasks)

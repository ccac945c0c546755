"""What a model says of every row of a store, written as a predictions table and counted on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import logsumexp

from engine.core.chunk import Chunk
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.store import View
from engine.stream import Workers, each
from engine.summaries.outcomes import Outcomes, best_classes
from schemas.embeddings import PART_NAME
from schemas.predictions import PREDICTIONS_SCHEMA


class Model(Protocol):
    """What can be evaluated: scores, and whether they are, divided by the temperature, log-likelihoods up to a
    constant for each row."""

    probabilistic: bool
    temperature: float

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Scores ``(n, k)``, higher for likelier classes, of embeddings ``x : (n, d)``."""


def predictions(model: Model, chunk: Chunk) -> pa.Table:
    """The predictions table of a chunk whose labels are the model's class indices."""
    scores = np.asarray(model.scores(chunk.x), np.float64)
    top = best_classes(scores)
    rows = np.arange(len(top))
    columns = {"sample_id": chunk.sample_id, "label": chunk.y, "predicted": top[:, 0]}
    if model.probabilistic:
        tempered = scores / model.temperature
        log_likelihood = tempered - logsumexp(tempered, axis=1, keepdims=True)
        columns["confidence"] = np.exp(log_likelihood[rows, top[:, 0]])
        of_label = log_likelihood[rows, np.maximum(chunk.y, 0)]
        columns["log_likelihood"] = pa.array(of_label, pa.float32(), mask=chunk.y < 0)
    else:
        columns["confidence"] = scores[rows, top[:, 0]]
        columns["log_likelihood"] = pa.nulls(len(top), pa.float32())
    columns["top"] = list(top)
    return pa.table({name: pa.array(columns[name]) for name in PREDICTIONS_SCHEMA.names}).cast(PREDICTIONS_SCHEMA)


def outcomes_of(table: pa.Table, classes: int) -> Outcomes:
    """The counts of a predictions table of a model with `classes` classes."""
    top = table["top"].combine_chunks()
    best = top.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)
    likelihood = table["log_likelihood"].to_numpy()
    given = None if table["log_likelihood"].null_count == len(table) > 0 else likelihood
    return Outcomes.of(table["label"].to_numpy(), best, given, classes)


@dataclass(frozen=True)
class _Predict:
    model: Model
    classes: np.ndarray
    width: int
    folder: Location

    def __call__(self, index: int, chunk: Chunk) -> Outcomes:
        place = self.folder / PART_NAME.format(index)
        return outcomes_of(_kept(place, chunk) or self._made(place, chunk), self.width)

    def _made(self, place: Location, chunk: Chunk) -> pa.Table:
        label = np.append(self.classes, -1)[chunk.y].astype(np.int32)  # -1 points at the last entry
        table = predictions(self.model, chunk._replace(y=label))
        place.write_atomically(lambda file: pq.write_table(table, file, compression="zstd"))
        return table


def _kept(place: Location, chunk: Chunk) -> pa.Table | None:
    """The predictions for just these rows that an interrupted run has left, if any."""
    if not place.exists():
        return None
    table = pq.read_table(place.path, filesystem=place.filesystem)
    return table if np.array_equal(table["sample_id"].to_numpy(), chunk.sample_id) else None


def predict(
    model: Model,
    class_names: Sequence[str],
    view: View,
    classes: np.ndarray,
    folder: Location,
    workers: Workers,
    *,
    progress: Progress = SILENT,
) -> Outcomes:
    """Write the predictions for all rows of `view` into `folder` and return their counts.

    Parts that lie there already are counted and not computed again: `folder` must hold predictions of this model for
    these rows, or nothing.

    Parameters
    ----------
    class_names
        The model's classes.
    classes : (c,) int
        The model's class index for each class index of the store, as `align_classes` gives it.
    """
    work = _Predict(model, classes, len(class_names), folder)
    counts = each(view, work, workers, progress=progress, description=f"predict {view.store.name}")
    return reduce(Outcomes.merge, counts, Outcomes.none(len(class_names)))

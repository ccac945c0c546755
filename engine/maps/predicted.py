"""What a run has predicted for the rows of a map."""

from typing import NamedTuple

import numpy as np

from gapscope.core.hashing import digest_file
from gapscope.core.location import Location
from gapscope.maps.sets import Sets, class_index
from gapscope.predictions import read_predictions
from gapscope.predictions.run import sets_in_run
from gapscope.runs.run import MANIFEST
from gapscope.schemas.run import Input
from gapscope.store import EmbeddingStore
from gapscope.store.workspace import slug


class Predicted(NamedTuple):
    """What a run predicts for a set, by sample id ascending, with the class indices of the map.

    Attributes
    ----------
    sample_id : (n,) int64
    label : (n,) int32
    confidence : (n,) float32
        NaN where unknown.
    """

    sample_id: np.ndarray
    label: np.ndarray
    confidence: np.ndarray


def input_of_run(run: Location) -> Input:
    """The record that a map reads a run, known by the hash of its manifest."""
    with (run / MANIFEST).open_input() as file:
        return Input(place=str(run), config_hash=digest_file(file), rows=0)


def predicted_by(run: Location, model: str, sets: Sets) -> tuple[list[Predicted | None], list[str]]:
    """What the run predicts for each set, None for one that it has not predicted; and sentences about those."""
    there = sets_in_run(run, model)
    predicted = [_read(run, model, store, sets) if _folder(store) in there else None for store in sets.stores]
    missing = [name for name, one in zip(sets.names, predicted, strict=True) if one is None]
    return predicted, [f"{run.name} has no predictions for {name}; their columns are empty there" for name in missing]


def _folder(store: EmbeddingStore) -> str:
    """The name of the store's set in a run folder."""
    return slug(f"{store.provenance.dataset}-{store.provenance.split}")


def _read(run: Location, model: str, store: EmbeddingStore, sets: Sets) -> Predicted:
    made = store.provenance
    predictions = read_predictions(str(run), model=model, dataset=made.dataset, split=made.split)
    index = np.array([class_index(name, sets.class_names) for name in predictions.class_names], np.int32)
    order = np.argsort(predictions.sample_id, kind="stable")
    unknown = np.full(predictions.n, np.nan, np.float32)
    confidence = unknown if predictions.confidence is None else predictions.confidence
    return Predicted(predictions.sample_id[order], index[predictions.predicted][order], confidence[order])

"""The two sets of a gap, with the predictions of a model for their rows: those of its run, or new ones."""

from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.evaluation.recorded import recorded
from gapscope.evaluation.stored import classes_of, evaluate, title_of_model
from gapscope.predictions import Predictions, read_predictions
from gapscope.probes.model import RECORDED, Classifier
from gapscope.runs.folder import PREDICTIONS, RunFolder
from gapscope.store import EmbeddingStore, View
from gapscope.store.comparable import Labelled, Relabelled
from gapscope.store.selected import Selected
from gapscope.store.workspace import slug
from gapscope.stream import Workers, each


class Side(NamedTuple):
    """A stored set, with labels as the model numbers them, and the model's predictions in the order of its rows."""

    store: EmbeddingStore | Selected
    view: View
    predictions: Predictions


def predicted_side(
    model: Classifier,
    folder: Location,
    store: EmbeddingStore | Selected,
    made: RunFolder,
    workers: Workers,
    progress: Progress,
) -> Side:
    """The rows of a store with the predictions in the model's `folder`; made anew where it has none for these rows.

    Raises
    ------
    InputError
        The set has classes that the model does not know, or changed while it was read.
    """
    if model.rule.kind == RECORDED:
        return _recorded_side(model, folder, store)
    index, _ = classes_of(model, store)
    view = Relabelled(store, list(model.class_names), index).view()
    known = each(view, _identities, workers, progress=progress, description=f"labels of {store.name}")
    sample_id, label = (np.concatenate(column) for column in zip(*known, strict=True)) if known else (np.empty(0), [])
    title = title_of_model(model)
    source = store.provenance
    place = PREDICTIONS + "/" + slug(f"{source.dataset}-{source.split}")
    for base in (folder, made.place):
        if base == made.place:
            with made.timed(f"predict {store.name}"):
                evaluate(model, title, store, made.place, workers, progress)
        if (base / place).is_folder():
            names = {"dataset": source.dataset, "split": source.split, "class_names": model.class_names}
            result = _in_order(read_predictions(str(base / place), model=title, **names), sample_id)
            if result is not None and np.array_equal(result.label, label):
                return Side(store, view, result)
    raise InputError(f"{store.name} changed while it was read; run the command again")


def _recorded_side(model: Classifier, folder: Location, store: EmbeddingStore | Selected) -> Side:
    """The rows of a store with predictions of a file, and with the labels that were joined to these."""
    result = _in_order(recorded(folder, model, store), store.sample_ids())
    if result is None:
        raise InputError(f"{store.name} has images without a prediction; join the predictions again")
    return Side(store, Labelled(store, list(model.class_names), result.label).view(), result)


def _in_order(predictions: Predictions, sample_id: np.ndarray) -> Predictions | None:
    """The predictions in the order of the rows ``sample_id : (n,)``; None where one has none.

    Those of a network stand in the order of the images, the rows of a store are shuffled, or some of them.
    """
    order = np.argsort(predictions.sample_id, kind="stable")
    place = np.searchsorted(predictions.sample_id[order], sample_id)
    if not predictions.n or (place == predictions.n).any():
        return None
    if not np.array_equal(predictions.sample_id[order[place]], sample_id):
        return None
    return predictions.rows(order[place])


def _identities(_index: int, chunk: Chunk) -> tuple[np.ndarray, np.ndarray]:
    return chunk.sample_id, chunk.y

"""The best class of every row of a view, in memory."""

from functools import partial
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.core.ranking import best_classes
from gapscope.evaluation.predict import Model
from gapscope.predictions.table import Predictions
from gapscope.store import View
from gapscope.stream import Workers, each


class _Rows(NamedTuple):
    sample_id: np.ndarray
    label: np.ndarray
    top: np.ndarray


def _of_chunk(_index: int, chunk: Chunk, model: Model, classes: np.ndarray) -> _Rows:
    label = np.append(classes, -1)[chunk.y].astype(np.int32)  # -1 points at the last entry
    return _Rows(chunk.sample_id, label, best_classes(np.asarray(model.scores(chunk.x)), 1))


def top_predictions(
    model: Model,
    title: str,
    class_names: tuple[str, ...],
    view: View,
    classes: np.ndarray,
    workers: Workers,
    progress: Progress = SILENT,
) -> Predictions:
    """The best class of each row, 16 bytes a row.

    Parameters
    ----------
    title
        What the predictions call the model.
    class_names
        The model's.
    classes : (k,)
        The model's class index for each of the view's.
    """
    of = partial(_of_chunk, model=model, classes=classes)
    result = each(view, of, workers, progress=progress, description=f"predict {view.store.name}")
    columns = [np.concatenate(parts) for parts in zip(*result, strict=True)]
    dataset, _, split = view.store.name.rpartition("/")
    return Predictions(title, dataset, split, class_names, *columns)

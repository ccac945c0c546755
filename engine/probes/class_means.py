"""The cheap pass: how many rows each class has and where their mean lies, without covariances."""

from functools import partial
from typing import TypeVar

import numpy as np

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import Progress
from gapscope.probes.training import Labels, without_labels
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries import ClassMeans, ClassMoments

S = TypeVar("S", ClassMeans, ClassMoments)


def by_class(
    kind: type[S],
    rows: View,
    workers: Workers,
    progress: Progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
    stage: str = "means",
) -> S:
    """One pass over the rows of a view: their summary of the given `kind`; from the checkpoint where it is there.

    Raises
    ------
    InputError
        A feature is not finite.
    """
    saved = checkpoint.load(stage)
    if saved:
        return kind(**saved.arrays, **saved.about)
    of = partial(_summary, kind=kind, classes=len(rows.store.class_names))
    result = fold(rows, of, workers, progress=progress, description=stage)
    refuse_not_finite(result.mean, rows)
    arrays = {name: value for name, value in result._asdict().items() if name != "unlabelled"}
    checkpoint.save(stage, arrays, {"unlabelled": result.unlabelled})
    return result


def _summary(chunk: Chunk, kind: type[S], classes: int) -> S:
    return kind.of(chunk.x, chunk.y, classes, chunk.weight)


def refuse_not_finite(means: np.ndarray, rows: View) -> None:
    """Refuse the rows of a view if any of their class ``means : (C, d)`` is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(means).all(axis=0))
    if bad.size:
        raise InputError(
            f"feature {bad[0]} of {rows.store.name} has NaN or infinite values, as have {bad.size - 1} others; "
            "extract or import it again with bad rows rejected"
        )


def labels_in(means: ClassMeans | ClassMoments, rows: View) -> Labels:
    """The classes that have rows.

    Raises
    ------
    InputError
        No row has a label.
    """
    if not means.count.any():
        raise without_labels(rows)
    return Labels(np.flatnonzero(means.count), len(means.count))

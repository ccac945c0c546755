"""The baseline: scikit-learn's `SGDClassifier.partial_fit` over raw chunks in order, as people do it today.

One-vs-rest, row by row, without scaling or averaging. It is here to be compared with, not to be recommended.
"""

from time import perf_counter

import numpy as np
from sklearn.linear_model import SGDClassifier

from engine.core.checkpoint import NO_CHECKPOINT, Checkpoint
from engine.core.chunk import Chunk
from engine.core.errors import DivergedError, InputError
from engine.core.progress import SILENT, Progress
from engine.probes.model import Classifier
from engine.probes.options import ProbeOptions
from engine.probes.rules.linear import Linear
from engine.probes.training import Labels, with_holdout
from engine.store import View
from engine.stream import CHUNK_ROWS, Workers, each

LARGEST = np.finfo(np.float32).max


def fit(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """Train on `train` and on `holdout` if it stands behind, chunk after chunk in this process; nothing is chosen.

    Raises
    ------
    InputError
        No row has a label.
    DivergedError
        The weights are no longer finite.
    """
    start = perf_counter()
    train = with_holdout(train, holdout)
    counts = sum(each(train, _Counts(len(train.store.class_names)), workers, progress=progress, description="labels"))
    labels = Labels(np.flatnonzero(counts[:-1]), len(counts) - 1)
    if not len(labels.present):
        raise InputError(f"none of the {train.rows} training rows of {train.store.name} has a label")
    weight, bias = _trained(train, labels, options, progress)
    details = {
        "loss": options.loss,
        "rows": int(counts[:-1].sum()),
        "unlabelled": int(counts[-1]),
        "passes": options.epochs + 1,
        "seconds": perf_counter() - start,
    }
    rule = Linear.over_all(weight, bias, labels.present, labels.classes)
    return Classifier("sgd", rule, probabilistic=False, details=details)


class _Counts:
    """Rows of each class in a chunk, and at the end those without a label; ``(classes + 1,)``."""

    def __init__(self, classes: int):
        self.classes = classes

    def __call__(self, _index: int, chunk: Chunk) -> np.ndarray:
        return np.bincount(np.where(chunk.y < 0, self.classes, chunk.y), minlength=self.classes + 1)


def _trained(train: View, labels: Labels, options: ProbeOptions, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """``weight (p, d)`` and ``bias (p,)`` of the present classes."""
    classes = np.arange(len(labels.present))
    if len(classes) == 1:
        return np.zeros((1, train.store.dim)), np.zeros(1)
    model = SGDClassifier(loss=options.loss, random_state=options.seed)
    for epoch in range(options.epochs):
        with progress.task(f"epoch {epoch + 1}", train.rows, "rows") as task:
            for step, chunk in enumerate(train.chunks(CHUNK_ROWS)):
                y = labels.positions(chunk.y)
                if (y >= 0).any():
                    _partial_fit(model, chunk.x[y >= 0], y[y >= 0], classes, f"epoch {epoch + 1}, chunk {step + 1}")
                task.advance(len(y))
    return _both_sides(model.coef_, model.intercept_)


def _partial_fit(model: SGDClassifier, x: np.ndarray, y: np.ndarray, classes: np.ndarray, where: str) -> None:
    try:
        model.partial_fit(x, y, classes=classes)
    except ValueError as error:  # scikit-learn's own check of its input and of its weights
        raise DivergedError(f"SGDClassifier stopped at {where}: {error}") from error
    if np.abs(model.coef_).max() > LARGEST:
        raise DivergedError(f"the weights of SGDClassifier exceed float32 at {where}; scale the features first")


def _both_sides(weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """With two classes scikit-learn keeps one weight vector, whose sign decides: the first class gets its negative."""
    if len(weight) > 1:
        return weight, bias
    return np.concatenate([-weight, weight]), np.concatenate([-bias, bias])

"""Bootstrap replicates of how often each model is right among images that equally many other models get right.

All intervals of a study come from these counts, so that one pass over the images serves them all, and numbers that are
derived from the same images vary together.
"""

import numpy as np
from scipy.sparse import csr_matrix

from gapscope.inference.bootstrap import poisson_weights
from gapscope.studies.replication.predictions import SetPredictions

BLOCK = 8192


def difficulty(right: np.ndarray) -> np.ndarray:
    """How many of the *other* models are right, for each image and model of ``right : (n, m)``; ``(n, m)``."""
    return right.sum(axis=1, dtype=np.int64)[:, None] - right


def counted(predictions: SetPredictions) -> np.ndarray:
    """Images ``(m, m, 2)`` by model, number of other models that are right, and whether the model is right."""
    models = len(predictions.models)
    cells = np.bincount(_cells(predictions.correct).ravel(), minlength=2 * models * models)
    return cells.reshape(models, models, 2).astype(np.float64)


def resampled(predictions: SetPredictions, seed: int, replicates: int) -> np.ndarray:
    """`counted` for each replicate, ``(replicates, m, m, 2)``: Poisson weights keyed by the ids of the images."""
    models, cells = len(predictions.models), _cells(predictions.correct)
    total = np.zeros((2 * models * models, replicates))
    for start in range(0, predictions.n, BLOCK):
        weights = poisson_weights(seed, replicates, predictions.sample_id[start : start + BLOCK])
        total += _indicator(cells[start : start + BLOCK], len(total)).T @ weights.T.astype(np.float64)
    return total.T.reshape(replicates, models, models, 2)


def accuracies(counts: np.ndarray) -> np.ndarray:
    """Accuracy of each model, ``(..., m)``, from counts ``(..., m, m, 2)``."""
    return counts[..., 1].sum(axis=-1) / counts.sum(axis=(-1, -2))


def _cells(right: np.ndarray) -> np.ndarray:
    """The cell of each image for each model, ``(n, m)``, below ``2 m m``."""
    models = right.shape[1]
    return 2 * (np.arange(models) * models + difficulty(right)) + right


def _indicator(cells: np.ndarray, width: int) -> csr_matrix:
    rows, models = cells.shape
    return csr_matrix((np.ones(cells.size), cells.ravel(), np.arange(0, cells.size + 1, models)), shape=(rows, width))

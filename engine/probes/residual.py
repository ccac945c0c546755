"""Probabilities minus labels, in place: what the softmax does to the scores of a batch."""

import numpy as np

Array = np.ndarray
# Classes up to which compiled loops over one row's scores beat NumPy's reductions, which have a cost per row.
FEW_CLASSES = 128


def residual(scores: Array, y: Array, weights: Array | None = None) -> Array:
    """Turn ``scores : (n, g, p)`` into probability minus one-hot label, in place; return the summed log-loss
    ``(g,)``. Both are multiplied by ``weights : (n, g) or (n, 1)``.
    """
    few = scores.shape[2] <= FEW_CLASSES and scores.dtype == np.float32 and scores.flags.c_contiguous
    losses = (_few if few else _many)(scores, y)
    if weights is not None:
        losses *= weights
        scores *= weights[:, :, None]
    return losses.sum(axis=0)


def _many(scores: Array, y: Array) -> Array:
    """The losses ``(n, g) float64``."""
    scores -= scores.max(axis=2, keepdims=True)
    rows = np.arange(len(y))
    own = scores[rows, :, y].astype(np.float64)
    np.exp(scores, out=scores)
    total = scores.sum(axis=2, keepdims=True)
    scores /= total
    scores[rows, :, y] -= 1
    return np.log(total[:, :, 0]) - own


def _few(scores: Array, y: Array) -> Array:
    from gapscope.probes.few_classes import lower, share  # here, because `--help` of a training passes this module

    y = np.asarray(y, np.int64)
    losses, total = np.empty(scores.shape[:2]), np.empty(scores.shape[:2], np.float32)
    lower(scores, y, losses)
    np.exp(scores, out=scores)
    share(scores, y, total)
    return np.log(total) - losses

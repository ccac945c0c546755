"""Probabilities minus labels, in place: what the softmax does to the scores of a batch."""

import numba
import numpy as np

Array = np.ndarray
# Classes up to which compiled loops over one row's scores beat NumPy's reductions, which have a cost per row.
FEW_CLASSES = 128

CUBE = numba.float32[:, :, ::1]
ROWS = numba.types.Array(numba.int64, 1, "A", readonly=True)


def residual(scores: Array, y: Array, row_weights: Array | None = None) -> Array:
    """Turn ``scores : (n, g, p)`` into probability minus one-hot label, in place; return the summed log-loss
    ``(g,)``. Both are multiplied by ``row_weights[g, y]``.
    """
    few = scores.shape[2] <= FEW_CLASSES and scores.dtype == np.float32 and scores.flags.c_contiguous
    losses = (_few if few else _many)(scores, y)
    if row_weights is not None:
        weights = row_weights.T[y]
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
    y = np.asarray(y, np.int64)
    losses, total = np.empty(scores.shape[:2]), np.empty(scores.shape[:2], np.float32)
    _lower(scores, y, losses)
    np.exp(scores, out=scores)
    _share(scores, y, total)
    return np.log(total) - losses


@numba.njit(numba.void(CUBE, ROWS, numba.float64[:, ::1]), nogil=True, cache=True)
def _lower(scores, y, own):
    """Subtract the largest score of each row and head; NaN stays NaN."""
    n, g, p = scores.shape
    for i in range(n):
        for h in range(g):
            most = scores[i, h, 0]
            for c in range(1, p):
                if scores[i, h, c] > most:
                    most = scores[i, h, c]
            for c in range(p):
                scores[i, h, c] -= most
            own[i, h] = scores[i, h, y[i]]


@numba.njit(numba.void(CUBE, ROWS, numba.float32[:, ::1]), nogil=True, cache=True)
def _share(scores, y, total):
    """Divide by the sum, and take one from the label's."""
    n, g, p = scores.shape
    for i in range(n):
        for h in range(g):
            whole = scores[i, h, 0]
            for c in range(1, p):
                whole += scores[i, h, c]
            total[i, h] = whole
            part = np.float32(1) / whole
            for c in range(p):
                scores[i, h, c] *= part
            scores[i, h, y[i]] -= np.float32(1)

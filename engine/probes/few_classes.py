"""The two loops of a softmax over few classes, compiled: NumPy's reductions cost more per row than such a row holds."""

import numba
import numpy as np

CUBE = numba.float32[:, :, ::1]
ROWS = numba.types.Array(numba.int64, 1, "A", readonly=True)


@numba.njit(numba.void(CUBE, ROWS, numba.float64[:, ::1]), nogil=True, cache=True)
def lower(scores, y, own):
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
def share(scores, y, total):
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

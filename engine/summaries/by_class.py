"""Sums over the rows of each class, compiled: each row is read once, and nothing as large as the rows is made."""

import numba
import numpy as np

Array = np.ndarray


def _matrix(kind: numba.types.Type) -> numba.types.Type:
    return numba.types.Array(kind, 2, "C", readonly=True)


LABELS = numba.types.Array(numba.int64, 1, "C", readonly=True)
WEIGHTS = numba.types.Array(numba.float64, 1, "C", readonly=True)
SUMS = numba.float64[:, ::1]
NUMBERS = (_matrix(numba.float32), _matrix(numba.float64))


@numba.njit([numba.void(x, LABELS, WEIGHTS, SUMS) for x in NUMBERS], nogil=True, cache=True)
def _add_rows(x: Array, y: Array, weight: Array, sums: Array) -> None:
    for row in range(x.shape[0]):
        if y[row] >= 0:
            for column in range(x.shape[1]):
                sums[y[row], column] += weight[row] * np.float64(x[row, column])


@numba.njit([numba.void(x, LABELS, WEIGHTS, NUMBERS[1], SUMS) for x in NUMBERS], nogil=True, cache=True)
def _add_squares(x: Array, y: Array, weight: Array, mean: Array, sums: Array) -> None:
    for row in range(x.shape[0]):
        if y[row] >= 0:
            for column in range(x.shape[1]):
                apart = np.float64(x[row, column]) - mean[y[row], column]
                sums[y[row], column] += weight[row] * (apart * apart)


def add_rows(x: Array, y: Array, weight: Array, sums: Array) -> None:
    """Add ``weight : (n,)`` times the rows of ``x : (n, d)`` to ``sums : (C, d)`` by their labels ``y : (n,)``; labels
    below nought belong to none.
    """
    _check(x, y, weight, sums)
    _add_rows(x, y, weight, sums)


def add_squares(x: Array, y: Array, weight: Array, mean: Array, sums: Array) -> None:
    """The same of the squared deviations from the ``mean : (C, d)`` of each class."""
    _check(x, y, weight, sums)
    _check(x, y, weight, mean)
    _add_squares(x, y, weight, np.ascontiguousarray(mean, np.float64), sums)


def _check(x: Array, y: Array, weight: Array, sums: Array) -> None:
    """Compiled loops do not look where an array ends."""
    if x.shape != (len(y), sums.shape[1]) or weight.shape != y.shape or y.max(initial=-1) >= len(sums):
        raise ValueError(f"{x.shape} rows with {y.shape} labels cannot be added to {sums.shape} sums")

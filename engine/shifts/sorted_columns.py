"""Exact Kolmogorov-Smirnov and Wasserstein distances of columns, by sorting them and walking along both at once."""

import numba
import numpy as np

COLUMNS = 32


@numba.njit(
    numba.void(numba.float32[:, ::1], numba.float32[:, ::1], numba.float64[::1], numba.float64[::1]),
    nogil=True,
    cache=True,
)
def _walk(one, other, ks, wasserstein):
    """Of sorted rows ``one : (d, n)``, ``other : (d, m)``: largest and integrated difference of the distributions."""
    n, m = one.shape[1], other.shape[1]
    for k in range(one.shape[0]):
        a, b, i, j, largest, area = one[k], other[k], 0, 0, 0.0, 0.0
        before = np.float64(min(a[0], b[0]))
        gap = 0.0
        while i < n or j < m:
            value = b[j] if i == n or (j < m and b[j] < a[i]) else a[i]
            area += gap * (np.float64(value) - before)
            before = np.float64(value)
            while i < n and a[i] == value:
                i += 1
            while j < m and b[j] == value:
                j += 1
            gap = abs(i / n - j / m)
            largest = max(largest, gap)
        ks[k], wasserstein[k] = largest, area


def column_distances(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kolmogorov-Smirnov and Wasserstein-1 distances ``(d,)`` of the columns of ``(n, d)`` and ``(m, d)`` float32.

    Blocks of 32 columns are copied and sorted at a time; about 30 ns for each number. NaN is not allowed.
    """
    dim = one.shape[1]
    ks, wasserstein = np.empty(dim), np.empty(dim)
    for start in range(0, dim, COLUMNS):
        block = slice(start, start + COLUMNS)
        _walk(_sorted(one[:, block]), _sorted(other[:, block]), ks[block], wasserstein[block])
    return ks, wasserstein


def _sorted(block: np.ndarray) -> np.ndarray:
    columns = np.array(block.T, np.float32, order="C")
    columns.sort(axis=1)
    return columns

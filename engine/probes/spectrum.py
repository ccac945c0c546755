"""Eigenvalues and axes of a scatter matrix, for little where there are fewer rows than features."""

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dgejsv

from gapscope.summaries.root import root_of

Array = np.ndarray
# Below this share of the features, the space of the rows is worth looking for first.
FEW = 0.5
# Variances that differ by more than this lose the small ones in the rounding of a plain eigendecomposition.
APART = 1e10


class Spectrum(NamedTuple):
    """Eigenvalues ``(d,)``, those that have no axis being nought and last, and orthonormal axes ``(d, r)``."""

    values: Array
    axes: Array


def spectrum_of(matrix: Array, rows: float) -> Spectrum:
    """The spectrum of ``matrix : (d, d)``, the scatter of so many `rows` around their mean; rounded values below nought
    are nought.

    ``d³`` flops many times over; of fewer rows than half the features ``4 d r²``, in the space of the rows.
    """
    if not _is_few(rows, len(matrix)):
        return _of_units_apart(matrix) if _is_apart(matrix) else _whole(matrix)
    axes, sizes = _row_space(matrix, int(rows))
    return Spectrum(_padded(np.square(sizes), len(matrix)), axes)


def spectrum_within(matrix: Array, around: Array, rows: float) -> Spectrum:
    """The spectrum of ``matrix : (d, d)``, a part of the scatter ``around : (d, d)`` of so many `rows`, whose space the
    axes span: the matrix has nothing outside.
    """
    if not _is_few(rows, len(matrix)):
        return spectrum_of(matrix, rows)
    space, _ = _row_space(around, int(rows))
    values, turned = np.linalg.eigh(space.T @ matrix @ space)
    return Spectrum(_padded(np.maximum(values, 0), len(matrix)), space @ turned)


def _whole(matrix: Array) -> Spectrum:
    values, axes = np.linalg.eigh(matrix)
    return Spectrum(np.maximum(values, 0), axes)


def _is_apart(matrix: Array) -> bool:
    variances = np.diagonal(matrix)
    return bool(variances.max(initial=0) > APART * variances[variances > 0].min(initial=np.inf))


def _of_units_apart(matrix: Array) -> Spectrum:
    """The spectrum of a scatter of features in very different units, each eigenvalue to many digits of its own size.

    Drmač and Veselić (2008), "New fast and accurate Jacobi SVD algorithm": of Cholesky's factor of the correlations in
    the features' own units. Ten times the time of a plain decomposition.
    """
    deviations = np.sqrt(np.diagonal(matrix))
    inverse = np.divide(1, deviations, out=np.zeros_like(deviations), where=deviations > 0)
    correlations = _whole(matrix * np.outer(inverse, inverse))
    root = (correlations.axes * np.sqrt(correlations.values)).T * deviations
    sizes, _, axes, work, _, _ = dgejsv(root, joba=0, jobu=3, jobv=0)
    return Spectrum(np.square(sizes * (work[0] / work[1])), axes)


def _is_few(rows: float, dim: int) -> bool:
    """Whether `rows`, a number and no sum of weights, span at most a part of the features."""
    return float(rows).is_integer() and isinstance(rows, (int, np.integer)) and rows <= FEW * dim


def _padded(values: Array, dim: int) -> Array:
    return np.concatenate([values, np.zeros(dim - len(values))])


def _row_space(scatter: Array, rows: int) -> tuple[Array, Array]:
    """Axes ``(d, r)`` of a scatter and the roots of its eigenvalues, ``(r,)``; r is less than the number of `rows`."""
    axes, sizes, _ = np.linalg.svd(root_of(scatter)[:, : max(rows - 1, 0)], full_matrices=False)
    return axes, sizes

"""What people hand to an estimator, as rows that a probe reads.

A store is read where it is, its last rows held out, for its rows are shuffled. Arrays are not: their rows are put into
a random order that the seed decides. Those of a Dask array are written in that order, block by block, to a temporary
file of ``4 n d`` bytes and read from there, so that memory does not grow with them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
from scipy.sparse import issparse

from gapscope.core.errors import InputError
from gapscope.core.random import stream
from gapscope.estimators.weights import Weights, of_mean_one
from gapscope.probes.training import HOLDOUT_ROWS
from gapscope.store import ArrayStore, View
from gapscope.store import Rows as StoredRows


@dataclass(frozen=True, eq=False)
class SparseRows:
    """A matrix in SciPy's CSR form where an array ``(n, d)`` is read by runs of rows; memory: a run of dense rows."""

    matrix: Any

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        return self.matrix.shape

    def __len__(self) -> int:
        return self.matrix.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self.matrix[rows].toarray()


class Rows(NamedTuple):
    """The rows to train on, those behind them to choose by, and the mean weight that they had."""

    train: View
    held: View
    mean_weight: float = 1.0


def stored(x: Any) -> View | None:
    """`x` as a view, if it is one, a store or anything else that is read as one; None for arrays of any kind."""
    if isinstance(x, View):
        return x
    return x.view() if isinstance(x, StoredRows) else None


def as_rows(x: Any) -> Any:
    """An array as it is, and a sparse matrix as rows that become dense as they are read."""
    return SparseRows(x.tocsr()) if issparse(x) else x


def held_rows(rows: int, share: float) -> int:
    """How many rows to hold out.

    Raises
    ------
    InputError
        The share is not one.
    """
    if not 0 <= share < 1:
        raise InputError(f"holdout is {share}; give a share of the rows from 0 to below 1, such as 0.1")
    return min(int(rows * share), HOLDOUT_ROWS)


def divided(view: View, share: float, weights: Weights | None = None) -> Rows:
    """A view whose rows stand in random order, its last ones held out; see `View.held_out`."""
    view, mean = of_mean_one(view, weights)
    return Rows(*view.held_out(held_rows(view.rows, share)), mean)


def shuffled(y: np.ndarray, classes: int, share: float, seed: int) -> tuple[np.ndarray, int]:
    """A random order ``(n,)`` of rows labelled ``y : (n,)``, and how many of its first rows to train on.

    Among these is a row of every class that has any: what is never seen cannot be learnt.
    """
    order = stream(seed, "rows").permutation(len(y))
    kept = len(y) - min(held_rows(len(y), share), max(0, len(y) - classes))
    first = np.unique(y[order], return_index=True)[1]
    late = first[first >= kept]
    free = np.setdiff1d(np.arange(kept), first)[: len(late)]
    order[late], order[free] = order[free], order[late]
    return order, kept


class Labelled(NamedTuple):
    """Of the rows of an array: class positions ``y : (n,)``, the names of the classes, and what the rows count as."""

    y: np.ndarray
    classes: list[str]
    weights: Weights | None = None

    def rows(self, x: np.ndarray, order: np.ndarray, kept: int) -> Rows:
        """``x : (n, d)``, whose rows stand in `order`, the first `kept` of them to train on."""
        weights = self.weights
        if weights is not None and weights.by_row is not None:
            weights = weights._replace(by_row=weights.by_row[order])
        view, mean = of_mean_one(ArrayStore(x, self.y[order], self.classes).view(), weights)
        return Rows(view.store.view(0, kept), view.store.view(kept), mean)


def array_rows(x: np.ndarray, labels: Labelled, share: float, seed: int) -> Rows:
    """``x : (n, d)`` and its labels, copied in random order; as float32 where it is not sparse."""
    order, kept = shuffled(labels.y, len(labels.classes), share, seed)
    rows = as_rows(x[order]) if issparse(x) else np.asarray(x[order], np.float32)
    return labels.rows(rows, order, kept)


@contextmanager
def dask_rows(x: da.Array, labels: Labelled, share: float, seed: int) -> Iterator[Rows]:
    """``x : (n, d)`` and its labels, in random order in a temporary file; memory: the largest block.

    Raises
    ------
    InputError
        A feature is not finite.
    """
    order, kept = shuffled(labels.y, len(labels.classes), share, seed)
    target = np.argsort(order)
    with TemporaryDirectory(prefix="gapscope-") as folder:
        file = np.memmap(Path(folder) / "rows.f32", np.float32, "w+", shape=x.shape)
        start = 0
        for block in x.blocks:
            values = np.asarray(block.compute(), np.float32)
            if not np.isfinite(values).all():
                raise InputError(f"the Dask array has NaN or infinite values in rows {start} to {start + len(values)}")
            file[target[start : start + len(values)]] = values
            start += len(values)
        yield labels.rows(file, order, kept)


def whole_rows(x: da.Array) -> da.Array:
    """`x` with known lengths and blocks of whole rows.

    Raises
    ------
    InputError
        It is not a matrix of numbers.
    """
    if x.ndim != 2 or x.dtype.kind not in "fiub":
        raise InputError(f"the Dask array has {x.ndim} dimensions of {x.dtype}; two dimensions of numbers are needed")
    known = x.compute_chunk_sizes() if np.isnan(x.shape).any() else x
    return known.rechunk({1: -1})

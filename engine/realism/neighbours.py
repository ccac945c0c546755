"""Nearest real rows of many rows, exactly, block by block."""

from functools import partial
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.shifts.prdc import squared_distances
from gapscope.store import View
from gapscope.stream import Workers, each

Array = np.ndarray
CHUNK_ROWS = 1024
NOBODY = -1


class Neighbours(NamedTuple):
    """The nearest rows of each of m rows, nearest first.

    Attributes
    ----------
    distance : (m, k) float64
        Euclidean; infinite where there are fewer than k rows.
    sample_id : (m, k) int64
        -1 where there are fewer than k rows.
    """

    distance: Array
    sample_id: Array


def nearest(
    queries: View,
    rows: View,
    k: int,
    workers: Workers,
    *,
    within_class: bool = False,
    leave_out_itself: bool = False,
    chunk_rows: int = CHUNK_ROWS,
    progress: Progress = SILENT,
) -> Neighbours:
    """The `k` nearest of `rows` for each of `queries`; of several as near, those that stand first.

    Costs ``2 d n m`` flops and reads `rows` once for each chunk of `queries`. Memory: a block of each, and k numbers
    for each query.

    Parameters
    ----------
    within_class
        Look only among rows of the query's own class.
    leave_out_itself
        Both views are the same rows; a row is not its own neighbour, an exact duplicate of it is.
    """
    if not queries.rows:
        return Neighbours(np.zeros((0, k)), np.zeros((0, k), np.int64))
    work = partial(_of_chunk, rows=rows, k=k, origin=_origin(rows), within_class=within_class,
                   leave_out_itself=leave_out_itself, chunk_rows=chunk_rows)  # fmt: skip
    parts = each(queries, work, workers, chunk_rows=chunk_rows, progress=progress, description="nearest neighbours")
    return Neighbours(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _origin(rows: View) -> Array:
    """A point amid the rows: distances come from products, which are exact only near the origin."""
    return View(rows.store, rows.start, min(rows.stop, rows.start + CHUNK_ROWS)).read().x.mean(axis=0, dtype=np.float64)


def _of_chunk(
    index: int,
    chunk: Chunk,
    rows: View,
    k: int,
    origin: Array,
    *,
    within_class: bool,
    leave_out_itself: bool,
    chunk_rows: int,
) -> Neighbours:
    x = chunk.x - origin
    own = np.arange(len(x)) + index * chunk_rows
    best, names = np.full((len(x), k), np.inf), np.full((len(x), k), NOBODY)
    for number, other in enumerate(rows.chunks(chunk_rows)):
        apart = squared_distances(x, other.x - origin)
        if within_class:
            apart[chunk.y[:, None] != other.y] = np.inf
        if leave_out_itself:
            place = own - number * chunk_rows
            here = (place >= 0) & (place < len(other.y))
            apart[here, place[here]] = np.inf
        best, names = _nearer(best, names, apart, other.sample_id)
    return Neighbours(np.sqrt(best), np.where(np.isfinite(best), names, NOBODY))


def _nearer(best: Array, names: Array, apart: Array, sample_id: Array) -> tuple[Array, Array]:
    both = np.hstack([best, apart])
    named = np.hstack([names, np.broadcast_to(sample_id, apart.shape)])
    order = np.argsort(both, axis=1, kind="stable")[:, : best.shape[1]]
    return np.take_along_axis(both, order, axis=1), np.take_along_axis(named, order, axis=1)

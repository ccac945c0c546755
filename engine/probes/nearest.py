"""The exact nearest rows of a store by cosine similarity, found by blocks.

Candidates come from float32 products of rows of length one, at the speed of the linear algebra library; those that
may be among the k nearest, for all that float32 says, are compared in float64. A float32 product of ``d`` terms of unit
rows is at most ``d u / (1 - d u)`` away from the true one, whatever the order of its sum (Higham 2002, "Accuracy and
stability of numerical algorithms", section 3.1; u = 2^-24), and rounding the rows to float32 adds 2 u. A row whose
product lies further than that below the k-th best float64 similarity cannot belong to the k nearest, so that nothing is
guessed: where many rows lie within the bound, many are compared.

A float64 similarity is summed in one fixed order. It depends on its two rows only, not on how rows were cut into chunks
nor on the machine, equal rows are equally similar, and the one that stands first in the store counts as nearer.
"""

from typing import NamedTuple

import numba
import numpy as np

from gapscope.store import Piece, View
from gapscope.stream import CHUNK_ROWS

Array = np.ndarray
# Queries that are compared at a time: their float32 copy has 4 d bytes a row, 20 MiB for 1280 features.
QUERY_ROWS = 4096
# Rows of the store whose products with the queries are held at a time: 4 * 4096 * 1024 bytes, 16 MiB.
BLOCK_ROWS = 1024
UNIT = 2.0**-24
LANES = 8  # independent sums of a similarity, which the compiler turns into vectors

ROWS = numba.types.Array(numba.float32, 2, "C", readonly=True)
NUMBERS = numba.types.Array(numba.float64, 1, "C", readonly=True)
LABELS = numba.types.Array(numba.int32, 1, "C", readonly=True)


class Nearest(NamedTuple):
    """For each query its nearest rows, nearest first; fewer rows than k leave similarity -inf, row and label -1.

    Attributes
    ----------
    similarity : (n, k) float64
        Cosine of the angle; 0 for a row of zeros.
    row : (n, k) int64
        Where the row stands in the store.
    label : (n, k) int32
    """

    similarity: Array
    row: Array
    label: Array

    @classmethod
    def none(cls, queries: int, k: int) -> "Nearest":
        """Before any row was seen."""
        shape = (queries, k)
        return cls(np.full(shape, -np.inf), np.full(shape, -1, np.int64), np.full(shape, -1, np.int32))

    def beside(self, other: "Nearest") -> "Nearest":
        """These queries, and behind them those of `other`."""
        return Nearest(*(np.concatenate(columns) for columns in zip(self, other, strict=True)))


def error_bound(dim: int) -> float:
    """How far the float32 product of two rounded unit rows of `dim` numbers may be from their cosine."""
    terms = (dim + 8) * UNIT  # 2 u for the rounding of the rows, and as much again to be safe
    return terms / (1 - terms) + 1e-12  # float64 rounding, and products below the smallest float32


def nearest(queries: Array, rows: View, k: int) -> Nearest:
    """The `k` labelled rows of a view that are most similar to each of ``queries : (n, d)``.

    Reads the view once for every `QUERY_ROWS` queries. Memory beside the result, per call: ``4 d (4096 + 4096 + 1024) +
    4 * 4096 * 1024`` bytes, 61 MiB for 1280 features. Costs ``2 n m d`` float32 flops for m rows, and some
    ``k (1 + ln(m / k))`` float64 products a query.
    """
    result = Nearest.none(len(queries), k)
    for start in range(0, len(queries), QUERY_ROWS):
        block = slice(start, start + QUERY_ROWS)
        x = np.ascontiguousarray(queries[block], np.float32)
        _search(x, rows, Nearest(*(part[block] for part in result)))
    return result


def _search(x: Array, rows: View, result: Nearest) -> None:
    unit, length = directions(x)
    bound, dim = error_bound(x.shape[1]), x.shape[1]
    most = min(CHUNK_ROWS, max(rows.rows, 1))
    buffer, products = np.empty((most, dim), np.float32), np.empty((len(x), min(BLOCK_ROWS, most)), np.float32)
    for piece in rows.pieces(CHUNK_ROWS):
        chunk = rows.store.read(piece, buffer)
        for block in blocks_of(piece):
            there = chunk.rows(block.start - piece.start, block.stop - piece.start)
            unit_there, length_there = directions(there.x)
            similar = products.reshape(-1)[: len(x) * block.rows].reshape(len(x), block.rows)
            np.matmul(unit, unit_there.T, out=similar)
            keep(similar, x, length, there.x, length_there, there.y, block.start, bound, *result)


def blocks_of(piece: Piece) -> list[Piece]:
    """A piece in pieces of at most `BLOCK_ROWS` rows."""
    return [Piece(low, min(low + BLOCK_ROWS, piece.stop)) for low in range(piece.start, piece.stop, BLOCK_ROWS)]


@numba.njit(numba.float64(ROWS, numba.intp, ROWS, numba.intp), nogil=True, cache=True)
def dot(x, i, there, j):
    """Product of row `i` of `x` with row `j` of `there`: float64, in an order that only their length decides."""
    dim = x.shape[1]
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    whole = dim - dim % LANES
    for f in range(0, whole, LANES):
        s0 += np.float64(x[i, f]) * np.float64(there[j, f])
        s1 += np.float64(x[i, f + 1]) * np.float64(there[j, f + 1])
        s2 += np.float64(x[i, f + 2]) * np.float64(there[j, f + 2])
        s3 += np.float64(x[i, f + 3]) * np.float64(there[j, f + 3])
        s4 += np.float64(x[i, f + 4]) * np.float64(there[j, f + 4])
        s5 += np.float64(x[i, f + 5]) * np.float64(there[j, f + 5])
        s6 += np.float64(x[i, f + 6]) * np.float64(there[j, f + 6])
        s7 += np.float64(x[i, f + 7]) * np.float64(there[j, f + 7])
    total = ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
    for f in range(whole, dim):
        total += np.float64(x[i, f]) * np.float64(there[j, f])
    return total


@numba.njit(numba.types.Tuple((numba.float32[:, ::1], numba.float64[::1]))(ROWS), nogil=True, cache=True)
def directions(x):
    """The rows of ``x : (n, d)`` scaled to length one, rounded once, and their lengths; a row of zeros stays."""
    unit, length = np.empty(x.shape, np.float32), np.empty(len(x))
    for i in range(len(x)):
        length[i] = np.sqrt(dot(x, i, x, i))
        inverse = 1 / length[i] if length[i] > 0 else 0.0
        for f in range(x.shape[1]):
            unit[i, f] = np.float32(x[i, f] * inverse)
    return unit, length


@numba.njit(
    numba.void(
        numba.float32[:, ::1],
        ROWS,
        numba.float64[::1],
        ROWS,
        numba.float64[::1],
        LABELS,
        numba.int64,
        numba.float64,
        numba.float64[:, ::1],
        numba.int64[:, ::1],
        numba.int32[:, ::1],
    ),
    nogil=True,
    cache=True,
)
def keep(similar, x, length, there, length_there, y, first, bound, best, row, label):
    """Take into the k nearest of each query of ``x`` what belongs there of a block of rows, row `first` and following.

    ``similar : (n, m)`` are the float32 products; ``best, row, label : (n, k)`` are changed in place.
    """
    k = best.shape[1]
    candidates = np.empty(len(there), np.int64)
    values = np.empty(len(there), np.float32)
    for i in range(len(x)):
        least = best[i, k - 1] - bound
        count = 0
        for j in range(len(there)):
            if similar[i, j] >= least and y[j] >= 0:
                candidates[count] = j
                values[count] = similar[i, j]
                count += 1
        if count > 2 * k:  # k of these beat whatever lies two bounds below the k-th
            least = np.partition(values[:count], count - k)[count - k] - 2 * bound
        for c in range(count):
            if values[c] < least or values[c] < best[i, k - 1] - bound:
                continue
            j = candidates[c]
            both = length[i] * length_there[j]
            exact = dot(x, i, there, j) / both if both > 0 else 0.0
            if exact > best[i, k - 1]:
                place = k - 1
                while place > 0 and best[i, place - 1] < exact:
                    best[i, place], row[i, place] = best[i, place - 1], row[i, place - 1]
                    label[i, place] = label[i, place - 1]
                    place -= 1
                best[i, place], row[i, place], label[i, place] = exact, first + j, y[j]

"""Places among sorted edges are those of NumPy, however the edges lie."""

import numba
import numpy as np
import pytest

from gapscope.summaries.places import MATRIX, TABLE, VECTOR, Places, cell_of, search

GREATEST = float(np.finfo(np.float32).max)
EDGES = {
    "even": np.linspace(-3, 3, 257),
    "one": [0.5],
    "alike": [2.0] * 9,
    "atoms": [0.0, 0.0, 0.0, 1e-45, 0.1, 0.1, 5.0],
    "one far out": [*np.linspace(0, 1, 100), 1e30],
    "the whole range": [-GREATEST, -1.0, 0.0, 1e-40, 1.0, GREATEST],
    "the smallest range": [0.0, 1e-45, 3e-45],
    "infinite": [-np.inf, 0.0, 2.0, np.inf],
    "more than cells": np.geomspace(1e-6, 1e6, 5000),
}


@numba.njit(numba.void(MATRIX, MATRIX, VECTOR, VECTOR, TABLE, numba.int64[:, ::1]))
def _found(x, edges, low, scale, below, result):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            cell = cell_of(x[i, j], low[j], scale[j])
            result[i, j] = search(x[i, j], edges[j], below[j, cell], below[j, cell + 1])


@pytest.mark.parametrize("name", EDGES)
def test_places_are_those_of_a_search(name, rng):
    edges = np.asarray(EDGES[name], np.float32)
    with np.errstate(over="ignore"):
        near = [edges, np.nextafter(edges, np.float32(np.inf)), np.nextafter(edges, np.float32(-np.inf))]
    some = [rng.standard_normal(500), 10.0 ** rng.uniform(-40, 38, 500), [-0.0, np.inf, -np.inf]]
    x = np.concatenate([*near, *some]).astype(np.float32)[:, None]
    result = np.empty(x.shape, np.int64)
    _found(x, *Places.of(edges[None]), result)
    np.testing.assert_array_equal(result[:, 0], np.searchsorted(edges, x[:, 0], "right"))


def test_a_number_that_is_none_lies_below_all_edges():
    result = np.empty((1, 1), np.int64)
    _found(np.full((1, 1), np.nan, np.float32), *Places.of(np.zeros((1, 4))), result)
    assert result[0, 0] == 0

"""Moments merge in any grouping, agree with NumPy, and survive features far from the origin."""

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.summaries import ClassMeans, ClassMoments, FourthPowers, LabelledMoments, Moments, WeightedMoments

CLASSES = 7
SUMMARIES = {
    "moments": lambda chunk: Moments.of(chunk.x),
    "class means": lambda chunk: ClassMeans.of(chunk.x, chunk.y, CLASSES),
    "class moments": lambda chunk: ClassMoments.of(chunk.x, chunk.y, CLASSES),
    "labelled moments": lambda chunk: LabelledMoments.of(chunk, CLASSES),
    "weighted moments": lambda chunk: WeightedMoments.of(chunk, np.geomspace(0.5, 20, CLASSES)),
    "fourth powers": lambda chunk: FourthPowers.of(chunk, np.full((CLASSES, 5), 3.0), np.geomspace(0.1, 10, 5)),
}


WEIGHING = {
    "class means": lambda chunk: ClassMeans.of(chunk.x, chunk.y, CLASSES, chunk.weight),
    "class moments": lambda chunk: ClassMoments.of(chunk.x, chunk.y, CLASSES, chunk.weight),
    **{name: SUMMARIES[name] for name in ("labelled moments", "weighted moments", "fourth powers")},
}


@pytest.fixture(params=sorted(SUMMARIES))
def of(request):
    return SUMMARIES[request.param]


def rows(n, seed=0, dim=5, offset=3.0):
    rng = np.random.default_rng(seed)
    y = rng.integers(-1, CLASSES - 1, n).astype(np.int32)  # the last class never occurs
    x = rng.normal(size=(n, dim)) * np.geomspace(0.1, 10, dim) + y[:, None] + offset
    return Chunk(np.arange(n), x.astype(np.float32), y)


def merged(summaries):
    return reduce(lambda one, other: one.merge(other), summaries)


def leaves(summary):
    if not isinstance(summary, tuple):
        return [np.asarray(summary)]
    return [leaf for part in summary for leaf in leaves(part)]


def assert_same(one, other, tolerance=1e-10):
    for a, b in zip(leaves(one), leaves(other), strict=True):
        assert np.abs(a - b).max(initial=0) <= tolerance * np.abs(b).max(initial=1e-300)


def parts(chunk, cuts):
    bounds = [0, *sorted(cuts), len(chunk.x)]
    return [chunk.rows(low, high) for low, high in pairwise(bounds)]


@pytest.mark.parametrize("of", WEIGHING.values(), ids=WEIGHING)
def test_a_row_of_weight_two_counts_as_two_rows(of, rng):
    chunk = rows(300)
    chunk = chunk.take(chunk.y >= 0)
    times = rng.integers(1, 4, len(chunk.y))
    weighted = chunk._replace(weight=times.astype(float))
    assert_same(of(weighted), of(chunk.take(np.repeat(np.arange(len(chunk.y)), times))))
    assert_same(merged(of(part) for part in parts(weighted, [7, 90])), of(weighted))


def test_97_random_parts_give_the_summary_of_one(of, rng):
    chunk = rows(3000)
    pieces = [of(part) for part in parts(chunk, rng.integers(0, 3001, 96))]
    assert_same(merged(pieces), of(chunk))


def test_reversed_merges_give_the_same_summary(of, rng):
    pieces = [of(part) for part in parts(rows(3000), rng.integers(0, 3001, 96))]
    assert_same(merged(pieces[::-1]), merged(pieces))


def test_a_tree_of_merges_gives_the_same_summary(of):
    pieces = [of(part) for part in parts(rows(1000), range(100, 1000, 100))]
    assert_same(merged([merged(pieces[:3]), merged(pieces[3:9]), pieces[9]]), merged(pieces))


def test_far_from_the_origin_the_parts_still_agree(of, rng):
    chunk = rows(2000, offset=1e6)
    pieces = [of(part) for part in parts(chunk, rng.integers(0, 2001, 96))]
    assert_same(merged(pieces), of(chunk))


def test_an_empty_chunk_changes_nothing(of):
    chunk = rows(50)
    empty = of(chunk.rows(0, 0))
    assert_same(of(chunk).merge(empty), of(chunk), 0)
    assert_same(empty.merge(of(chunk)), of(chunk), 0)
    assert_same(empty.merge(empty), empty, 0)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(0, 60), cuts=st.lists(st.integers(0, 60), max_size=6), seed=st.integers(0, 99))
def test_any_chunking_gives_the_same_summary(n, cuts, seed):
    chunk = rows(n, seed)
    for of in SUMMARIES.values():
        assert_same(merged([of(part) for part in parts(chunk, [min(cut, n) for cut in cuts])]), of(chunk), 1e-9)


@pytest.mark.parametrize("ddof", [0, 1])
def test_moments_agree_with_numpy(ddof):
    x = rows(400).x.astype(np.float64)
    moments = Moments.of(x)
    np.testing.assert_allclose(moments.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance(ddof), np.cov(x.T, ddof=ddof), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(moments.variance(ddof), x.var(axis=0, ddof=ddof), rtol=1e-10)


def test_a_variance_of_one_at_a_distance_of_a_million_is_found():
    x = (1e6 + np.random.default_rng(1).normal(size=(200, 1))).astype(np.float32)
    assert Moments.of(x).covariance()[0, 0] == pytest.approx(x.astype(np.float64).var(ddof=1), rel=1e-9)


def test_class_moments_agree_with_numpy_class_by_class():
    chunk = rows(500)
    moments = ClassMoments.of(chunk.x, chunk.y, CLASSES)
    for label in range(CLASSES - 1):
        own = chunk.x[chunk.y == label].astype(np.float64)
        assert moments.count[label] == len(own)
        np.testing.assert_allclose(moments.mean[label], own.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(moments.variance()[label], own.var(axis=0, ddof=1), rtol=1e-10)
    assert moments.count[-1] == 0
    assert np.isnan(moments.variance()[-1]).all()
    assert moments.unlabelled == (chunk.y == -1).sum()


def test_total_scatter_is_within_plus_between():
    chunk = rows(600)
    known = chunk.y >= 0
    x, y = chunk.x[known].astype(np.float64), chunk.y[known]
    moments = LabelledMoments.of(chunk, CLASSES)
    within = sum(Moments.of(x[y == label]).scatter for label in np.unique(y))
    np.testing.assert_allclose(moments.within_covariance() * len(x), within, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(within + moments.classes.between_scatter(), moments.total.scatter, rtol=1e-9, atol=1e-7)
    np.testing.assert_array_equal(moments.present, np.unique(y))


def test_a_label_outside_the_classes_is_refused_by_name():
    with pytest.raises(InputError, match="label 9 is outside 0…6"):
        ClassMeans.of(np.zeros((2, 3)), np.array([1, 9]), CLASSES)


def test_a_covariance_of_too_few_rows_is_refused():
    with pytest.raises(InputError, match="at least 2 rows, there are 1"):
        Moments.of(np.zeros((1, 3))).covariance()

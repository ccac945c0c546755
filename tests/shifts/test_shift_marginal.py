"""Shift of means, variances, marginal distributions and shadows: closed forms, SciPy, and the laws of the family."""

import warnings
from functools import partial, reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gapscope.core.errors import InputError
from gapscope.shifts import SHIFTS
from gapscope.shifts.battery import Battery, ReferenceSample, ShiftOptions, _summarise
from gapscope.shifts.chi_square import exceeds, squared_trace
from gapscope.shifts.kolmogorov import p_values
from gapscope.shifts.marginal import coarse, ks_bracket, wasserstein_distance
from gapscope.shifts.matrix import Distances, distances
from gapscope.shifts.sorted_columns import column_distances
from gapscope.store import ArrayStore
from gapscope.stream import connect
from gapscope.summaries.histograms import Bins, Histograms

OURS = ("moments", "marginal", "sliced")


def view(x, y=None, classes=1, name="toy/one"):
    y = np.zeros(len(x), np.int32) if y is None else y
    return ArrayStore(np.asarray(x, np.float32), y, [f"class {c}" for c in range(classes)], name).view()


def compared(one, other, names=OURS, scheduler=None, **options):
    with connect(scheduler, None if scheduler else 1) as workers:
        return Battery.read([one, other], names, ShiftOptions(**options), workers).compare(0, 1)


def verdicts(found):
    return {one.statistic: one for part in found.values() for one in part.verdicts if one.class_name is None}


@pytest.mark.parametrize("kind", [lambda z: z, lambda z: np.maximum(z, 0), np.exp, np.zeros_like])
@pytest.mark.parametrize("rows", [1, 2, 300, 5000])
def test_counts_are_those_of_a_search_in_sorted_edges(rng, kind, rows):
    x = kind(rng.standard_normal((777, 19))).astype(np.float32)
    bins = Bins.of(kind(rng.standard_normal((rows, 19))))
    found = bins.counts(x)
    for feature in range(19):
        place = np.searchsorted(bins.edges[feature], x[:, feature], side="right")
        assert (np.bincount(place, minlength=bins.count) == found[feature]).all()


def test_a_repeated_value_has_a_bin_of_its_own(rng):
    x = np.maximum(rng.standard_normal((4000, 1)), 0).astype(np.float32)
    bins = Bins.of(x)
    counts = bins.counts(x)[0]
    assert counts[bins.points[0]].max() == (x == 0).sum()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**31), st.sampled_from([1, 10, 10**6]))
def test_the_bracket_holds_the_exact_distance(n, m, seed, levels):
    rng = np.random.default_rng(seed)
    one, other = ((rng.integers(0, levels, (rows, 2)) / levels).astype(np.float32) for rows in (n, m))
    bins = Bins.of(rng.random((7, 2)))
    bracket = ks_bracket(bins, Histograms.of(one, bins), Histograms.of(other, bins))
    ks, _ = column_distances(one, other)
    assert (bracket.low <= ks + 1e-12).all()
    assert (ks <= bracket.high + 1e-12).all()


def test_more_bins_bracket_more_tightly_and_a_thousand_suffice(rng):
    one, other = rng.standard_normal((50_000, 1)), rng.standard_normal((10_000, 1)) + 0.05
    gaps = []
    for count in (64, 1024):
        bins = Bins.of(np.concatenate([one[:2000], other[:2000]]), count)
        low, high = ks_bracket(bins, *(Histograms.of(x, bins) for x in (one, other)))
        gaps.append(float(high[0] - low[0]))
    assert gaps[1] < 0.005 < gaps[0]


def test_sorted_columns_agree_with_scipy(rng):
    one, other = rng.standard_normal((200, 40)).astype(np.float32), rng.standard_normal((90, 40)).astype(np.float32)
    one[:, :5], other[:, :5] = one[:, :5].round(), other[:, :5].round()
    ks, wasserstein = column_distances(one, other)
    for feature in range(40):
        a, b = one[:, feature].astype(float), other[:, feature].astype(float)
        assert ks[feature] == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)
        assert wasserstein[feature] == pytest.approx(stats.wasserstein_distance(a, b), rel=1e-9)


def test_wasserstein_from_histograms_is_near_the_exact_one(rng):
    one, other = rng.standard_normal((20_000, 3)), rng.standard_normal((20_000, 3)) * 1.3 + [0, 0.2, 1]
    bins = Bins.of(np.concatenate([one[:2000], other[:2000]]))
    found = wasserstein_distance(bins, *(Histograms.of(x, bins) for x in (one, other)))
    _, exact = column_distances(one.astype(np.float32), other.astype(np.float32))
    np.testing.assert_allclose(found, exact, rtol=0.01)


def test_small_examples_of_kolmogorov_and_smirnov():
    one, other = np.array([[1, 2, 3, 4.0]], np.float32).T, np.array([[3, 4, 5, 6.0]], np.float32).T
    ks, _ = column_distances(one, other)
    assert ks[0] == 0.5
    assert p_values(ks, 4, 4)[0] == pytest.approx(0.7714286, abs=1e-7)
    assert p_values(np.array([0.1]), 100, 100)[0] == pytest.approx(0.70206, abs=1e-5)
    assert p_values(np.array([0.1]), 101, 100)[0] == pytest.approx(0.7, abs=0.01)
    assert stats.kstwobign.sf(np.sqrt(50) * 0.1) == pytest.approx(0.69937, abs=1e-5)


@pytest.mark.parametrize(("n", "m"), [(4, 7), (13, 60), (100, 100)])
def test_exact_p_values_are_scipys(rng, n, m):
    one, other = rng.random(n), rng.random(m) + 0.2
    found = stats.ks_2samp(one, other, method="exact")
    assert p_values(np.array([found.statistic, 0.0]), n, m) == pytest.approx([found.pvalue, 1.0], abs=1e-10)


def test_coarse_bins_keep_all_rows_and_have_about_equal_mass(rng):
    one, other = rng.integers(0, 20, (3, 400)), rng.integers(0, 20, (3, 400))
    first, second = coarse(one, other)
    assert (first.sum(axis=1) == one.sum(axis=1)).all()
    assert (second.sum(axis=1) == other.sum(axis=1)).all()
    assert np.ptp(first + second) < 100


def test_the_chi_square_mixture_is_exact_for_equal_weights_and_one_at_zero():
    assert exceeds(7.0, 3.0, 6.0) == pytest.approx(stats.chi2.sf(7, 3))
    assert exceeds(0.0, 3.0, 6.0) == 1
    assert exceeds(1.0, 0.0, 0.0) == 1


def test_the_trace_of_the_squared_covariance_is_unbiased(rng):
    draws = [squared_trace(np.cov(rng.standard_normal((30, 40)), rowvar=False), 29) for _ in range(300)]
    assert np.mean(draws) == pytest.approx(40, rel=0.03)


def test_the_normal_pair_has_its_closed_form_distances(rng):
    one, other = rng.standard_normal((100_000, 1)), rng.standard_normal((100_000, 1)) + 1
    found = verdicts(compared(view(one), view(other)))
    assert found["sliced_energy"].value == pytest.approx(0.541806579, rel=0.02)
    assert found["sliced_energy"].low < 0.541806579 < found["sliced_energy"].high
    assert found["energy_distance"].value == pytest.approx(0.541806579, rel=0.02)
    assert found["ks_max"].value == pytest.approx(0.382924923, abs=0.006)
    assert found["sliced_wasserstein"].value == pytest.approx(1, abs=0.015)
    assert found["mean_shift"].low < 1 < found["mean_shift"].high
    assert found["mahalanobis_distance"].low < 1 < found["mahalanobis_distance"].high


def test_the_energy_distance_of_many_features_is_scipys_by_pairs(rng):
    one, other = rng.standard_normal((600, 8)), rng.standard_normal((500, 8)) + 0.4
    between, first, second = (
        np.linalg.norm(a[:, None] - b[None], axis=2) for a, b in ((one, other), (one, one), (other, other))
    )
    exact = 2 * between.mean() - first.sum() / (600 * 599) - second.sum() / (500 * 499)
    assert verdicts(compared(view(one), view(other)))["energy_distance"].value == pytest.approx(exact, rel=0.1)


def test_feature_columns_agree_with_scipy(rng):
    one, other = (
        rng.standard_normal((300, 6)),
        rng.standard_normal((200, 6)) * [1, 1, 1, 1, 2, 2] + [0, 0, 0.4, 1, 0, 1],
    )
    one, other = one.astype(np.float32), other.astype(np.float32)
    columns = compared(view(one), view(other))["moments"].columns
    welch = stats.ttest_ind(one.astype(float), other.astype(float), equal_var=False)
    np.testing.assert_allclose(columns["mean_p"], welch.pvalue, rtol=1e-8)
    assert columns["mean_adjusted_p"] == pytest.approx(stats.false_discovery_control(columns["mean_p"]))
    pooled = np.sqrt((299 * one.var(0, ddof=1, dtype=float) + 199 * other.var(0, ddof=1, dtype=float)) / 498)
    difference = other.mean(0, dtype=float) - one.mean(0, dtype=float)
    np.testing.assert_allclose(columns["standardised_difference"], difference / pooled, rtol=1e-9)
    ratio = np.log(other.var(0, ddof=1, dtype=float) / one.var(0, ddof=1, dtype=float))
    np.testing.assert_allclose(columns["log_variance_ratio"], ratio, rtol=1e-9)
    assert set(np.flatnonzero(columns["variance_adjusted_p"] < 1e-4)) == {4, 5}


def test_the_mahalanobis_test_is_hotellings(rng):
    one, other = rng.standard_normal((60, 4)).astype(np.float32), rng.standard_normal((50, 4)).astype(np.float32) + 0.2
    delta = other.mean(0, dtype=float) - one.mean(0, dtype=float)
    pooled = (59 * np.cov(one.T.astype(float)) + 49 * np.cov(other.T.astype(float))) / 108
    f = delta @ np.linalg.solve(pooled, delta) * 60 * 50 / 110 * 105 / (108 * 4)
    found = verdicts(compared(view(one), view(other)))["mahalanobis_distance"]
    assert found.p == pytest.approx(stats.f.sf(f, 4, 105), rel=1e-6)


def test_a_single_class_that_moved_is_named_and_the_others_are_not(rng):
    y = np.arange(3000) % 10
    one, other = rng.standard_normal((3000, 20)), rng.standard_normal((3000, 20))
    other[y == 3] += 0.5
    found = compared(view(one, y, 10), view(other, y, 10))["moments"]
    p = found.class_columns["class_mean_adjusted_p"]
    assert p[3] < 1e-6 < 0.001 < np.delete(p, 3).min()
    assert found.class_columns["class_mean_shift"][3] == pytest.approx(0.5, abs=0.05)
    assert any("class 3 furthest" in one.sentence for one in found.verdicts)


def test_few_rows_of_a_class_do_not_make_it_move(rng):
    """The distance of the means of 3 rows is large by chance alone; the null knows their number."""
    rejected = 0
    for _ in range(40):
        y = np.repeat(np.arange(20), 3)
        found = compared(
            view(rng.standard_normal((60, 30)), y, 20), view(rng.standard_normal((60, 30)), y, 20), ["moments"]
        )
        rejected += (found["moments"].class_columns["class_mean_adjusted_p"] <= 0.05).any()
    assert rejected <= 7


def test_a_class_without_rows_and_rows_without_labels_are_left_out(rng):
    y = rng.integers(-1, 3, 400)
    bare = np.full(300, -1)
    found = compared(view(rng.standard_normal((400, 5)), y, 4), view(rng.standard_normal((400, 5)), y, 4))["moments"]
    assert np.isnan(found.class_columns["class_mean_p"]).tolist() == [False, False, False, True]
    none = compared(view(rng.standard_normal((400, 5)), y, 4), view(rng.standard_normal((300, 5)), bare, 4))["moments"]
    assert not none.class_columns
    assert "class_mean_shift" not in verdicts({"moments": none})


@pytest.mark.parametrize("exact_bytes", [0, 2**29])
def test_a_set_does_not_differ_from_itself(rng, exact_bytes):
    one = view(rng.standard_normal((500, 12)), rng.integers(0, 3, 500), 3)
    for verdict in verdicts(compared(one, one, exact_bytes=exact_bytes)).values():
        assert "no " in verdict.sentence
        assert verdict.p in (None, 1.0)
        assert verdict.value == (verdict.value if verdict.statistic == "ks_high" else 0)


def test_statistics_are_symmetric_and_grow_as_the_sets_part(rng):
    one, other = rng.standard_normal((800, 6)), rng.standard_normal((700, 6))
    sizes = []
    for step in (0.2, 0.5, 1.0):
        there, back = (
            verdicts(compared(*pair)) for pair in ((view(one), view(other + step)), (view(other + step), view(one)))
        )
        for name, verdict in there.items():
            assert verdict.value == pytest.approx(back[name].value, rel=1e-6)
        sizes.append([verdict.value for name, verdict in there.items() if name not in ("variance_shift",)])
    assert (np.diff(sizes, axis=0) > 0).all()


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_constant_features_are_left_in_peace(rng, scale):
    one, other = rng.standard_normal((50, 4)) * scale, rng.standard_normal((40, 4)) * scale
    one[:, 2] = other[:, 2] = 7
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compared(view(one), view(other))
    assert found["moments"].columns["mean_p"][2] == 1
    assert found["marginal"].columns["ks"][2] == 0


def test_a_feature_that_is_constant_in_both_but_not_the_same_is_found(rng):
    one, other = rng.standard_normal((50, 3)), rng.standard_normal((50, 3))
    one[:, 1], other[:, 1] = 0, 1
    found = compared(view(one), view(other))
    assert found["moments"].columns["mean_adjusted_p"][1] < 1e-6
    assert found["marginal"].columns["ks"][1] == 1
    assert verdicts(found)["mean_shift"].p < 1e-6


@pytest.mark.parametrize(("n", "m", "dim"), [(2, 2, 3), (3, 2, 1), (10, 8, 60)])
def test_few_rows_and_many_features_give_finite_answers(rng, n, m, dim):
    y = np.arange(n) % 2, np.arange(m) % 2
    found = verdicts(
        compared(view(rng.standard_normal((n, dim)), y[0], 2), view(rng.standard_normal((m, dim)), y[1], 2))
    )
    for name, verdict in found.items():
        assert np.isfinite(verdict.value) or (name == "mahalanobis_distance" and "too few" in verdict.sentence)
        assert verdict.p is None or 0 <= verdict.p <= 1


def test_numbers_that_are_not_finite_and_single_rows_are_refused(rng):
    good, bad = rng.standard_normal((9000, 3)), rng.standard_normal((9000, 3))
    bad[8000, 1] = np.nan
    with pytest.raises(InputError, match=r"toy/one has numbers that are not finite in 1 of 3 features, .* feature 1"):
        compared(view(good), view(bad), ["moments"])
    with pytest.raises(InputError, match="has 1 distinct row; a comparison needs two"):
        compared(view(good), view(good[:1]), ["moments"])


def leaves(value):
    if isinstance(value, tuple) and not isinstance(value, np.ndarray):
        for part in value:
            yield from leaves(part)
    elif isinstance(value, np.ndarray | int | float):
        yield np.asarray(value, np.float64)


@pytest.mark.parametrize("name", sorted(SHIFTS))
@pytest.mark.parametrize("pieces", [1, 97])
def test_summaries_do_not_depend_on_the_partition_or_the_order_of_merging(name, pieces, rng):
    x, y = np.maximum(rng.standard_normal((1500, 24)), 0).astype(np.float32), rng.integers(-1, 3, 1500)
    one = view(x, y, 3)
    sample = ReferenceSample((x[:300], x[300:600]), 0, 3)
    summarise = partial(_summarise, keeps=(SHIFTS[name].keeps(sample),), classes=3)
    whole = summarise(one.read())
    cuts = np.sort(rng.choice(np.arange(1, 1500), pieces - 1, replace=False))
    chunks = [one.read().rows(a, b) for a, b in zip([0, *cuts], [*cuts, 1500], strict=True)]
    for order in (chunks, chunks[::-1]):
        merged = reduce(lambda a, b: a.merge(b), map(summarise, order))
        for found, wanted in zip(leaves(merged), leaves(whole), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10 * np.abs(wanted).max(initial=1))


@pytest.mark.filterwarnings("ignore")
def test_threads_and_a_cluster_agree(rng, cluster):
    y = rng.integers(0, 3, 9000)
    one = view(rng.standard_normal((9000, 16)), y, 3)
    other = view(rng.standard_normal((5000, 16)) * 1.1, y[:5000], 3)
    here, there = compared(one, other), compared(one, other, scheduler=cluster)
    assert here["moments"].verdicts == there["moments"].verdicts
    assert here["marginal"].verdicts == there["marginal"].verdicts
    assert here["sliced"].verdicts == there["sliced"].verdicts


def test_the_matrix_has_the_distance_of_every_two_sets(rng):
    x = rng.standard_normal((3, 400, 4))
    with connect(threads=1) as workers:
        views = [view(x[i] + i * i, name=f"toy/{i}") for i in range(3)]
        battery = Battery.read(views, OURS, ShiftOptions(), workers)
        found = distances(battery, OURS)
    assert [one.statistic for one in found] == ["mean_shift", "ks_mean", "sliced_energy"]
    for one in found:
        assert (one.values == one.values.T).all()
        assert one.values[0, 1] < one.values[1, 2] < one.values[0, 2]
        assert [(joint["first"], joint["second"]) for joint in one.tree()] == [(0, 1), (2, 3)]
    assert isinstance(found[0], Distances)
    assert [row["other"] for row in found[0].rows()] == ["toy/1", "toy/2", "toy/2"]

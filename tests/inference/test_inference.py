"""Intervals, the keyed bootstrap, paired tests and corrections agree with references and do not depend on order."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import (
    binom,
    binomtest,
    chi2,
    false_discovery_control,
    kendalltau,
    linregress,
    norm,
    poisson,
    rankdata,
)

from gapscope.core.errors import InputError
from gapscope.inference import (
    ProbitLine,
    adjusted,
    average_ranks,
    interval_of,
    kendall_tau,
    mcnemar,
    poisson_weights,
    probit,
    resampled_sums,
)
from gapscope.inference.bootstrap import replicate_weights

# The fifteen p-values of Benjamini and Hochberg (1995).
CLASSIC = [
    0.0001,
    0.0004,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.3240,
    0.4262,
    0.5719,
    0.6528,
    0.7590,
    1,
]


def test_benjamini_hochberg_makes_four_discoveries_of_the_classic_example_and_bonferroni_three():
    assert (adjusted(CLASSIC) <= 0.05).sum() == 4
    assert (adjusted(CLASSIC, "bonferroni") <= 0.05).sum() == 3
    assert adjusted(CLASSIC)[:5] == pytest.approx([0.0015, 0.003, 0.0095, 0.035625, 0.0603])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_equals_its_definition_and_lies_between_raw_and_bonferroni(p):
    p = np.array(p)
    order = np.argsort(p, kind="stable")
    expected = np.empty(len(p))
    for place, index in enumerate(order):
        expected[index] = min(1, max((len(p) - j) * p[order[j]] for j in range(place + 1)))
    np.testing.assert_allclose(adjusted(p, "holm"), expected)
    assert (adjusted(p, "holm") >= p).all()
    assert (adjusted(p, "holm") <= adjusted(p, "bonferroni") + 1e-12).all()


@pytest.mark.parametrize("method", ["bh", "by"])
@given(p=st.lists(st.sampled_from([0.0, 1e-300, 1e-4, 0.01, 0.04, 0.05, 0.3, 1.0]), min_size=1, max_size=20))
def test_false_discoveries_are_controlled_as_scipy_does(method, p):
    np.testing.assert_allclose(adjusted(p, method), false_discovery_control(p, method=method), rtol=1e-12)


@given(st.lists(st.integers(-3, 3) | st.floats(-2, 2), max_size=30))
def test_ranks_are_those_of_scipy(values):
    np.testing.assert_array_equal(average_ranks(np.array(values, float)), rankdata(values))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=20))
def test_kendalls_tau_is_that_of_scipy(pairs):
    one, other = np.array(pairs, float).T
    assert kendall_tau(one, other) == pytest.approx(kendalltau(one, other).statistic, abs=1e-12, nan_ok=True)


def test_no_tests_need_no_correction():
    assert adjusted([]).size == 0


@pytest.mark.parametrize(("one", "other"), [(0, 0), (3, 9), (40, 41), (0, 12)])
def test_mcnemar_is_the_exact_binomial_test(one, other):
    n, most = one + other, max(one, other)
    expected = min(1.0, 2 * binom.sf(most - 1, n, 0.5)) if n else 1.0
    assert mcnemar(one, other) == pytest.approx(expected)


@pytest.mark.parametrize(("one", "other"), [(7, 7), (1, 0), (130, 2000), (30_000, 31_000), (10**6, 10**6)])
def test_mcnemar_is_that_of_scipy_at_any_size(one, other):
    assert mcnemar(one, other) == mcnemar(other, one)
    assert mcnemar(one, other) == pytest.approx(binomtest(one, one + other).pvalue, rel=1e-9)


@pytest.mark.parametrize("models", [2, 3, 40])
def test_the_line_is_that_of_scipy(rng, models):
    reference, target = rng.uniform(0.1, 0.9, (2, models))
    line, wanted = ProbitLine.fit(reference, target), linregress(probit(reference), probit(target))
    found = line.slope, line.intercept, line.slope_error, line.intercept_error, line.r
    errors = [float(np.nan_to_num(error)) for error in (wanted.stderr, wanted.intercept_stderr)]
    assert found == pytest.approx((wanted.slope, wanted.intercept, *errors, wanted.rvalue), rel=1e-9, abs=1e-12)


def test_multiplicities_are_poisson_and_differ_between_replicates_and_seeds():
    weights = poisson_weights(7, 50, np.arange(20_000))
    counts = np.bincount(weights.ravel(), minlength=6)[:6]
    expected = weights.size * poisson.pmf(np.arange(6), 1)
    assert ((counts - expected) ** 2 / expected).sum() < chi2.isf(1e-6, 5)
    correlation = np.corrcoef(np.vstack([weights[:5], poisson_weights(8, 5, np.arange(20_000))]))
    assert np.abs(correlation - np.eye(10)).max() < 0.04


def test_one_replicate_alone_has_the_multiplicities_that_it_has_among_all():
    ids = np.random.default_rng(0).integers(10**9, size=40_000)
    weights = poisson_weights(7, 5, ids)
    assert all(np.array_equal(replicate_weights(7, index, ids), row) for index, row in enumerate(weights))


def test_replicates_are_the_same_bit_for_bit_in_any_order_and_any_chunks(rng):
    ids, values = rng.integers(0, 2**62, 3000), rng.normal(size=(3000, 2))
    whole = resampled_sums(ids, values, seed=3, replicates=20)
    order = rng.permutation(3000)
    parts = sum(resampled_sums(ids[rows], values[rows], 3, 20) for rows in np.array_split(order, 7))
    np.testing.assert_array_equal(whole, parts)
    expected = poisson_weights(3, 20, ids).astype(float) @ values
    np.testing.assert_allclose(whole, expected, atol=3000 * 2.0**-24)


def test_a_bootstrap_interval_is_as_wide_as_the_normal_one(rng):
    right = (rng.random(4000) < 0.7).astype(float)
    sums = resampled_sums(np.arange(4000), np.column_stack([right, np.ones(4000)]), seed=0, replicates=1000)
    low, high = interval_of(sums[:, 0] / sums[:, 1])
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 4000), rel=0.12)


def test_the_line_is_least_squares_on_probit_axes(rng):
    reference = rng.uniform(0.3, 0.9, 12)
    target = norm.cdf(0.9 * norm.ppf(reference) - 0.3 + 0.02 * rng.normal(size=12))
    line = ProbitLine.fit(reference, target)
    slope, intercept = np.polyfit(norm.ppf(reference), norm.ppf(target), 1)
    assert (line.slope, line.intercept) == (pytest.approx(slope), pytest.approx(intercept))
    above = line.effective_robustness(reference, target)
    np.testing.assert_allclose(norm.ppf(target - above), intercept + slope * norm.ppf(reference))


@pytest.mark.parametrize(("reference", "target"), [([0.5], [0.4]), ([0.5, 0.5], [0.4, 0.3]), ([0.5, 1.0], [0.4, 0.9])])
def test_a_line_without_two_models_or_with_a_perfect_one_is_refused(reference, target):
    with pytest.raises(InputError, match=r"two models|probit axis"):
        ProbitLine.fit(np.array(reference), np.array(target))


def test_intervals_and_corrections_are_loaded_without_scipy_stats():
    code = "import sys, gapscope.inference, gapscope.evaluation.stored; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Class drops: noise is not taken for a finding, a class that really fell is named, and the numbers fit together."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapscope.gaps.class_page import _none
from gapscope.gaps.classes import class_drops

CLASSES, ACCURACY, LOWER = 1000, 0.8996, 0.8277


def homogeneous(rng, classes=CLASSES, n=50, m=10):
    """Counts of classes that all drop from 89.96 % to 82.77 %."""
    rows = np.full(classes, n), np.full(classes, m)
    return rng.binomial(n, ACCURACY, classes), rows[0], rng.binomial(m, LOWER, classes), rows[1]


def null_runs(rng, runs, simulations=200, **options):
    return [class_drops(*homogeneous(rng, **options), seed=run, simulations=simulations) for run in range(runs)]


def test_noise_alone_makes_a_worst_class_of_fifty_five_points_and_names_none(rng):
    runs = null_runs(rng, 12, simulations=100)
    assert sum(run.flagged.any() for run in runs) <= 1
    assert np.mean([run.raw.max() for run in runs]) == pytest.approx(0.548, abs=0.03)
    assert np.mean([run.expected_worst for run in runs]) == pytest.approx(0.548, abs=0.015)
    assert np.mean([run.error.mean() for run in runs]) == pytest.approx(0.127, abs=0.001)
    assert np.mean([run.detectable for run in runs]) == pytest.approx(0.57, abs=0.01)
    assert np.mean([run.shrunk.max() for run in runs]) < 0.12


@pytest.mark.slow
def test_of_three_hundred_homogeneous_drops_at_most_five_in_a_hundred_have_a_flagged_class(rng):
    runs = null_runs(rng, 300, simulations=500)
    assert sum(run.flagged.any() for run in runs) <= 15
    assert np.mean([run.raw.max() for run in runs]) == pytest.approx(0.548, abs=0.008)
    assert np.mean([run.expected_worst for run in runs]) == pytest.approx(0.548, abs=0.006)
    assert 0.02 <= np.mean([run.homogeneity_p <= 0.05 for run in runs]) <= 0.08
    assert 0.02 <= np.mean([(run.p <= 0.05).mean() for run in runs]) <= 0.08


@pytest.mark.parametrize("classes", [10, 40])
def test_few_classes_with_many_rows_reject_as_often_as_they_should(rng, classes):
    runs = null_runs(rng, 60, classes=classes, n=300, m=150, simulations=100)
    assert np.mean([run.homogeneity_p <= 0.05 for run in runs]) <= 0.15
    assert 0.02 <= np.mean([(run.p <= 0.05).mean() for run in runs]) <= 0.08
    assert np.mean([run.flagged.any() for run in runs]) <= 0.15


def test_the_posterior_intervals_hold_the_truth(rng):
    truth = 0.07 + 0.06 * rng.standard_normal(400)
    right = rng.binomial(200, 0.85, 400), rng.binomial(100, np.clip(0.85 - truth, 0, 1))
    drops = class_drops(right[0], np.full(400, 200), right[1], np.full(400, 100))
    assert ((drops.low <= truth) & (truth <= drops.high)).mean() == pytest.approx(0.95, abs=0.035)
    assert drops.spread == pytest.approx(0.06, abs=0.012)
    assert drops.mean == pytest.approx(0.07, abs=0.012)
    assert np.abs(drops.shrunk - truth).mean() < np.abs(drops.raw - truth).mean()
    assert drops.homogeneity_p < 0.01


def test_a_class_that_really_fell_is_named_and_no_other(rng):
    right_reference, n, right_target, m = homogeneous(rng, n=1000, m=200, classes=100)
    right_target[17] = 80
    drops = class_drops(right_reference, n, right_target, m)
    assert list(np.flatnonzero(drops.flagged)) == [17]
    assert drops.probability_worse[17] > 0.99
    assert drops.worst == 17


def test_a_class_that_kept_its_accuracy_stands_out_as_well(rng):
    rows = np.full(50, 1000)
    right = rng.binomial(1000, 0.9, 50), rng.binomial(1000, 0.6, 50)
    right[1][3] = right[0][3]
    drops = class_drops(right[0], rows, right[1], rows)
    assert drops.flagged[3]
    assert drops.probability_worse[3] < 0.01


def test_shrunk_drops_lie_between_the_mean_and_the_raw_ones(rng):
    drops = class_drops(*homogeneous(rng, classes=200))
    low, high = np.minimum(drops.raw, drops.mean), np.maximum(drops.raw, drops.mean)
    assert ((low - 1e-12 <= drops.shrunk) & (drops.shrunk <= high + 1e-12)).all()
    assert ((0 <= drops.keep) & (drops.keep <= 1)).all()


def test_the_order_of_the_classes_does_not_matter_to_estimates(rng):
    columns = homogeneous(rng, classes=60)
    order = rng.permutation(60)
    one, other = class_drops(*columns), class_drops(*(column[order] for column in columns))
    np.testing.assert_allclose(one.shrunk[order], other.shrunk, atol=1e-12)
    np.testing.assert_allclose(one.error[order], other.error, atol=1e-12)


def test_the_same_seed_gives_the_same_p_values(rng):
    columns = homogeneous(rng, classes=30)
    np.testing.assert_array_equal(class_drops(*columns, seed=4).p, class_drops(*columns, seed=4).p)


def test_classes_without_rows_on_a_side_are_unknown_and_never_flagged():
    drops = class_drops([9, 5, 0, 8], [10, 10, 0, 10], [7, 0, 3, 2], [10, 0, 5, 10])
    missing = [False, True, True, False]
    np.testing.assert_array_equal(np.isnan(drops.raw), missing)
    np.testing.assert_array_equal(np.isnan(drops.p), missing)
    assert not drops.flagged[1:3].any()
    assert drops.tested == 2


def test_a_single_class_is_its_own_mean():
    drops = class_drops([80], [100], [70], [100])
    assert drops.shrunk == pytest.approx([0.1])
    assert drops.homogeneity_p == 1
    assert not drops.flagged.any()


def test_no_class_at_all_is_an_answer_too():
    drops = class_drops([0, 3], [0, 4], [2, 0], [3, 0])
    assert drops.tested == 0
    assert drops.worst == -1
    assert not drops.flagged.any()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 12)] * 4), min_size=1, max_size=12))
def test_any_counts_give_finite_numbers(counts):
    rows = np.array(counts)
    right, n = np.minimum(rows[:, [0, 2]], rows[:, [1, 3]]), rows[:, [1, 3]]
    drops = class_drops(right[:, 0], n[:, 0], right[:, 1], n[:, 1], simulations=20)
    both = (n > 0).all(axis=1)
    for name in ("raw", "shrunk", "low", "high", "p", "adjusted_p", "probability_worse"):
        assert np.isfinite(getattr(drops, name)[both]).all()
    assert ((0 < drops.p[both]) & (drops.p[both] <= 1)).all()


@pytest.mark.parametrize(
    ("detectable", "said"), [(0.57, "a drop of about 57.0 points"), (1.41, "even a class that lost")]
)
def test_a_class_is_not_said_to_stand_out_from_a_drop_that_cannot_be(detectable, said):
    run = SimpleNamespace(of_metric=lambda metric: [{"value": {"class_drop_detectable": detectable}[metric]}])
    assert said in _none(run, 37, 0.1)
    assert "141" not in _none(run, 37, 0.1)

"""When a cause is named, and when it is complete."""

import numpy as np
import pytest
from scipy.stats import beta, binomtest

from gapscope.causes.proof import Measure, Proof, measured, share_of
from gapscope.causes.search import Explanation


def proof(explained, felt, auc=0.55, low=None, name="blur", **against):
    shares = [Measure(one, one - 0.2, one + 0.2) if one is not None else None for one in (explained, felt)]
    if low is not None:
        shares[0] = shares[0]._replace(low=low)
    return Proof(Explanation(name, (), 0.9, 50), *shares, auc, 0.6, None, None, Measure(0.0, 0.0, 0.0), **against)


@pytest.mark.parametrize(
    ("explained", "felt", "named"),
    [(0.9, 0.9, True), (0.7, None, True), (0.65, 0.9, False), (0.7, 0.39, False), (0.7, 0.55, True)],
)
def test_a_cause_explains_two_thirds_and_half_of_what_the_network_sees(explained, felt, named):
    assert proof(explained, felt).is_named == named


@pytest.mark.parametrize(("name", "least"), [("blur", 4 / 6), ("warm+blur", 5 / 6), ("warm+blur+grain", 11 / 12)])
def test_each_further_cause_may_leave_half_as_much(name, least):
    assert proof(least + 0.01, 0.9, name=name).is_named
    assert not proof(least - 0.01, 0.9, name=name).is_named
    assert not proof(1.0, 0.9, low=least / 2 - 0.01, name=name).is_named


def test_a_share_that_may_be_below_a_third_names_nothing():
    assert proof(0.9, 0.9, low=0.4).is_named
    assert not proof(0.9, 0.9, low=0.3).is_named


def test_a_cause_that_leaves_something_is_not_complete():
    assert proof(0.9, 0.9).is_complete
    assert not proof(0.9, 0.9, auc=0.7).is_complete
    assert not proof(0.7, 0.9).is_complete


def test_what_leaves_something_to_see_makes_none_of_it():
    assert proof(0.9, 0.9, auc=0.7).is_named
    assert not proof(0.9, 0.9, auc=0.7, away=("tint",)).is_named
    assert proof(0.9, 0.9, away=("tint",)).is_named


def test_a_cause_is_not_named_where_unlike_ones_explain_as_much():
    assert proof(0.9, 0.9, against=("elastic",)).is_enough
    assert not proof(0.9, 0.9, against=("elastic",)).is_named


@pytest.mark.parametrize("right", [198, 200, 0, 113])
def test_the_interval_of_an_accuracy_is_exact_and_ends_at_all_and_nothing(right):
    exact = binomtest(right, 200).proportion_ci(method="exact")
    assert share_of(np.arange(200) < right) == pytest.approx((right / 200, exact.low, exact.high))


def test_the_interval_of_a_mixture_is_that_of_as_many_hits_and_covers_its_mean(rng):
    mixed = 0.3 * (np.arange(120) < 80) + 0.7 * (np.arange(120) < 101)
    low, high = beta.ppf([0.025, 0.975], [mixed.sum(), mixed.sum() + 1], [121 - mixed.sum(), 120 - mixed.sum()])
    assert share_of(mixed) == pytest.approx((mixed.mean(), low, high))
    drawn = rng.random((400, 2, 60)) < np.array([0.95, 0.85])[:, None]
    held = [one.low <= 0.9 <= one.high for one in (share_of(pair.mean(axis=0)) for pair in drawn)]
    assert np.mean(held) >= 0.95


def test_a_difference_of_shares_is_no_larger_than_all():
    assert measured(np.array([1.0] * 99 + [0.0])).high == 1.0
    assert measured(np.array([-1.0] * 99 + [0.0])).low == -1.0

"""When a cause is named, and when it is complete."""

import pytest

from gapscope.causes.proof import Measure, Proof
from gapscope.causes.search import Explanation


def proof(explained, felt, auc=0.55, low=None):
    shares = [Measure(one, one - 0.2, one + 0.2) if one is not None else None for one in (explained, felt)]
    if low is not None:
        shares[0] = shares[0]._replace(low=low)
    return Proof(Explanation("blur", (), 0.9, 50), *shares, auc, 0.6, None, None, Measure(0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("explained", "felt", "named"),
    [(0.9, 0.9, True), (0.7, None, True), (0.65, 0.9, False), (0.7, 0.39, False), (0.7, 0.55, True)],
)
def test_a_cause_explains_two_thirds_and_half_of_what_the_network_sees(explained, felt, named):
    assert proof(explained, felt).is_named == named


def test_a_share_that_may_be_below_a_third_names_nothing():
    assert proof(0.9, 0.9, low=0.4).is_named
    assert not proof(0.9, 0.9, low=0.3).is_named


def test_a_cause_that_leaves_something_is_not_complete():
    assert proof(0.9, 0.9).is_complete
    assert not proof(0.9, 0.9, auc=0.7).is_complete
    assert not proof(0.7, 0.9).is_complete

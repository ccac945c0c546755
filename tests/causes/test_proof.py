"""When a cause is named, and when it is complete."""

import pytest

from gapscope.causes.proof import Measure, Proof
from gapscope.causes.search import Explanation


def proof(explained, felt, auc=0.55):
    shares = [Measure(one, one - 0.2, one + 0.2) if one is not None else None for one in (explained, felt)]
    return Proof(Explanation("blur", (), 0.9, 50), *shares, auc, 0.6, None, None, Measure(0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("explained", "felt", "named"),
    [(0.9, 0.9, True), (0.6, None, True), (0.45, 0.9, False), (0.61, 0.39, False), (0.6, 0.55, True)],
)
def test_a_cause_explains_half_of_the_looks_and_of_what_the_network_sees(explained, felt, named):
    assert proof(explained, felt).is_named == named


def test_a_cause_that_leaves_something_is_not_complete():
    assert proof(0.9, 0.9).is_complete
    assert not proof(0.9, 0.9, auc=0.7).is_complete
    assert not proof(0.7, 0.9).is_complete

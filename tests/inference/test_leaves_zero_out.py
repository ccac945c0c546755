"""An interval of one of several values leaves zero out where that value would, corrected for their number."""

import pytest
from scipy.stats import norm

from gapscope.inference import leaves_zero_out


@pytest.mark.parametrize("tests", [1, 2, 6, 45])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_level_is_bonferronis(tests, sign):
    needed, half = norm.isf(0.025 / tests), norm.isf(0.025)
    for value, expected in ((needed - 0.01, False), (needed + 0.01, True)):
        assert leaves_zero_out(sign * value, sign * value - half, sign * value + half, tests) is expected


def test_what_is_not_known_is_not_beyond_chance():
    assert not leaves_zero_out(1.0, float("nan"), float("nan"))


def test_an_interval_that_leaves_its_own_value_out_is_no_surer_than_it_is_wide():
    assert not leaves_zero_out(1.0, 1.5, 9.5)
    assert not leaves_zero_out(-1.0, 1.5, 9.5)

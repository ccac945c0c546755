"""The interval of what changed between two answers to the same images holds the truth, also where nothing changed."""

import numpy as np
import pytest

from gapscope.inference import paired_interval


@pytest.mark.parametrize("n", [12, 60, 400])
@pytest.mark.parametrize(("gained", "lost"), [(0.0, 0.0), (0.02, 0.0), (0.1, 0.0), (0.03, 0.03), (0.3, 0.1)])
def test_it_holds_the_truth_in_about_95_of_100_samples(n, gained, lost, rng):
    drawn = rng.choice([1, -1, 0], (2000, n), p=[gained, lost, 1 - gained - lost])
    spans = np.array([paired_interval(change) for change in drawn])
    truth = gained - lost
    assert ((spans[:, 0] <= truth) & (truth <= spans[:, 1])).mean() >= 0.935


def test_it_is_the_published_formula_and_holds_another_interval(rng):
    change = np.repeat([1, -1, 0], [6, 2, 42])
    gained, lost = 7 / 52, 3 / 52
    reach = 1.959964 * np.sqrt((gained + lost - (gained - lost) ** 2) / 52)
    np.testing.assert_allclose(paired_interval(change), (gained - lost - reach, gained - lost + reach), rtol=1e-6)
    low, high = paired_interval(change, (-0.5, 0.0))
    assert (low, high) == (-0.5, pytest.approx(gained - lost + reach))


def test_nothing_that_changed_is_no_proof_that_nothing_changes():
    low, high = paired_interval(np.zeros(100))
    assert low == -high < -0.02
    assert paired_interval(np.ones(1)) == (pytest.approx(-0.8, abs=0.3), 1.0)

"""The interval of how often one set exceeds another holds the truth, also where all of one exceed all of the other."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from gapscope.inference import interval_of_exceedance


@pytest.mark.parametrize(("n", "m"), [(10, 10), (12, 40), (100, 80)])
@pytest.mark.parametrize("truth", [0.5, 0.8, 0.97, 0.999])
def test_it_holds_the_truth_in_about_95_of_100_samples(n, m, truth, rng):
    held = []
    for _ in range(600):
        one, other = rng.normal(0, 1, n), rng.normal(np.sqrt(2) * norm.ppf(truth), 1, m)
        low, high = interval_of_exceedance(float((other[:, None] > one).mean()), n, m)
        held.append(low <= truth <= high)
    assert np.mean(held) >= 0.92


def test_its_ends_solve_the_published_equation(rng):
    def away(truth, share, n, m):
        more = (n + m) / 2 - 1
        variance = truth * (1 - truth) * (1 + more * (1 - truth) / (2 - truth) + more * truth / (1 + truth)) / (m * n)
        return abs(share - truth) - norm.ppf(0.975) * np.sqrt(variance)

    for share, n, m in ((0.7, 20, 30), (0.95, 15, 200), (0.2, 50, 40)):
        ends = brentq(away, 1e-9, share, args=(share, n, m)), brentq(away, share, 1 - 1e-9, args=(share, n, m))
        np.testing.assert_allclose(interval_of_exceedance(share, n, m), ends, rtol=1e-7)


def test_all_above_all_is_no_proof_that_it_is_always_so():
    low, high = interval_of_exceedance(1.0, 10, 10)
    assert 0.5 < low < 0.95 < high == 1
    assert interval_of_exceedance(0.0, 10, 10) == (0, pytest.approx(1 - low))
    assert interval_of_exceedance(1.0, 1000, 1000)[0] > 0.99

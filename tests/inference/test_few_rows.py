"""Bootstrap intervals of few rows hold what they should, and those of many are the percentiles."""

import numpy as np
import pytest
from scipy import stats

from gapscope.inference import interval_of
from gapscope.inference.bootstrap import poisson_weights

DRAWS, REPLICATES = 300, 200


def held(rows, rng, *, moved):
    """How often the interval of a mean of normal numbers holds their mean."""
    weight = poisson_weights(3, REPLICATES, np.arange(rows)).astype(float)
    count = 0
    for _ in range(DRAWS):
        means = weight @ rng.standard_normal(rows) / np.where(weight.sum(axis=1) > 0, weight.sum(axis=1), np.nan)
        low, high = interval_of(means, rows=rows) if moved else interval_of(means)
        count += low <= 0 <= high
    return count / DRAWS


@pytest.mark.parametrize("rows", [8, 12, 40])
def test_intervals_of_few_rows_hold_the_mean_of_the_population(rng, rows):
    assert held(rows, rng, moved=True) >= stats.binom.ppf(1e-4, DRAWS, 0.93) / DRAWS


def test_percentiles_as_they_are_would_not(rng):
    assert held(8, rng, moved=False) < 0.93


@pytest.mark.parametrize("rows", [5, 20, 1000])
def test_normal_replicates_give_students_interval(rows):
    replicates = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    wanted = stats.t.ppf(0.975, rows - 1) * np.sqrt(rows / (rows - 1))
    assert interval_of(replicates, rows=rows) == pytest.approx((-wanted, wanted), rel=1e-2)


def test_percentiles_of_few_replicates_hold_another_draw_as_often_as_they_say(rng):
    # Of 40 replicates and a value of one distribution, all 41 ranks of the value are equally likely.
    draws = rng.standard_normal((3000, 41))
    held = np.mean([low <= one[-1] <= high for one in draws for low, high in [interval_of(one[:-1])]])
    assert held == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 3000))

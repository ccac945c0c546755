"""Every p-value of the family of shift statistics is a p-value: samples of one population seldom look different."""

import numpy as np
import pytest
from scipy.stats import binom

from gapscope.shifts import SHIFTS
from gapscope.shifts.battery import Battery, ShiftOptions
from gapscope.store import ArrayStore
from gapscope.stream import connect

LEVEL = 0.05
FAST, SLOW = 20, 300
NAMES = sorted(SHIFTS)
CLASSES = ["a", "b", "c"]


def gaussian(rng, rows):
    """Three classes of eight correlated features."""
    y = rng.integers(0, 3, rows)
    x = rng.standard_normal((rows, 8)) @ np.triu(np.full((8, 8), 0.4))
    x[:, 0] += y
    return x, y


def heavy_tailed(rng, rows):
    """The same, like the features of a network: never negative, a few rows far out."""
    x, y = gaussian(rng, rows)
    return np.maximum(x, 0) * rng.gamma(2, size=(rows, 1)), y


def wide(rng, rows):
    """More features than rows."""
    return rng.standard_normal((rows, 150)), rng.integers(0, 3, rows)


def unlike(rng, rows):
    """A tenth of the rows is of a class that lies along one direction, the others lie along all."""
    y = rng.choice(3, rows, p=[0.1, 0.45, 0.45])
    x = rng.standard_normal((rows, 30))
    x[y == 0] = x[y == 0][:, :1] + 0.1 * x[y == 0]
    return x, y


def rejections(names, population, n, m, runs):
    """How many of `runs` pairs of samples of one population are rejected at 5 %, for each p-value of all rows together:
    those of single classes are corrected for their number, and the smallest of them is that of all.
    """
    counts: dict[str, int] = {}
    with connect(threads=1) as workers:
        for run in range(runs):
            rng = np.random.default_rng([run, n, m])
            views = [ArrayStore(*_typed(*population(rng, rows)), CLASSES, "one").view() for rows in (n, m)]
            battery = Battery.read(views, names, ShiftOptions(seed=run, replicates=99), workers)
            for findings in battery.compare(0, 1).values():
                for verdict in findings.verdicts:
                    if verdict.p is not None and verdict.class_name is None:
                        counts[verdict.statistic] = counts.get(verdict.statistic, 0) + (verdict.p <= LEVEL)
    return counts


def _typed(x, y):
    return x.astype(np.float32), y.astype(np.int32)


@pytest.mark.parametrize("name", NAMES)
def test_a_null_pair_is_rejected_about_as_often_as_the_level_says(name):
    most = binom.isf(1e-4, FAST, LEVEL)
    for statistic, count in rejections([name], gaussian, 120, 90, FAST).items():
        assert count <= most, statistic


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 4), (7, 7), (5, 200)])
@pytest.mark.parametrize("population", [gaussian, heavy_tailed, wide])
def test_few_rows_are_no_more_often_rejected(population, n, m):
    most = binom.isf(1e-4, 2 * FAST, LEVEL)
    for statistic, count in rejections(["moments"], population, n, m, 2 * FAST).items():
        assert count <= most, statistic


def test_classes_that_vary_along_few_directions_are_not_said_to_move():
    most = binom.isf(1e-4, 5 * FAST, LEVEL)
    for statistic, count in rejections(["moments"], unlike, 400, 400, 5 * FAST).items():
        assert count <= most, statistic


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_null_pairs_are_rejected_between_two_and_eight_per_cent(name):
    for statistic, count in rejections([name], gaussian, 400, 300, SLOW).items():
        assert 0.02 <= count / SLOW <= 0.08, (statistic, count)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_null_pairs_of_heavy_tails_and_many_zeros_are_no_more_often_rejected(name):
    # Ties make the Kolmogorov-Smirnov test of a feature cautious, so that only the upper bound is asked for.
    for statistic, count in rejections([name], heavy_tailed, 400, 300, SLOW).items():
        assert count / SLOW <= 0.08, (statistic, count)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mmd", "frechet"])
def test_null_pairs_of_fewer_rows_than_features_are_no_more_often_rejected(name):
    for statistic, count in rejections([name], wide, 80, 60, SLOW).items():
        assert count / SLOW <= 0.08, (statistic, count)

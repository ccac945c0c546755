"""Sets in any unit, of very few rows, or full of equal rows: every statistic is right or says why it is missing."""

from itertools import combinations

import numpy as np
import pytest

from gapscope.shifts import SHIFTS
from gapscope.shifts.battery import Battery, ShiftOptions
from gapscope.shifts.exchanges import least_p
from gapscope.shifts.frechet import permuted
from gapscope.shifts.sliced import SMALLEST
from gapscope.store import ArrayStore
from gapscope.stream import connect
from gapscope.summaries import Moments


def findings(one, other, names=tuple(SHIFTS)):
    views = [ArrayStore(np.asarray(x, np.float32), np.zeros(len(x), int), ["a"]).view() for x in (one, other)]
    with connect(threads=2) as workers:
        found = Battery.read(views, names, ShiftOptions(replicates=40), workers).compare(0, 1)
    return {verdict.statistic: verdict for one in found.values() for verdict in one.verdicts}


@pytest.mark.parametrize("exponent", [9, -20, 40, -60, 100, -100, 120, -120])
def test_neither_p_nor_effect_depends_on_the_unit(exponent, rng):
    one, other = rng.standard_normal((300, 6)), 1.2 * rng.standard_normal((250, 6)) + 0.2
    unit = np.float32(2.0**exponent)
    wanted = findings(one, other)
    for name, verdict in findings(one.astype(np.float32) * unit, other.astype(np.float32) * unit).items():
        p, effect = (1 if one is None else one for one in (wanted[name].p, wanted[name].effect))
        assert (1 if verdict.p is None else verdict.p) == pytest.approx(p, rel=1e-4, abs=1e-12), name
        assert (1 if verdict.effect is None else verdict.effect) == pytest.approx(effect, rel=1e-4, abs=1e-12), name


@pytest.mark.parametrize("exponent", [-120, -40, 0, 40, 100])
def test_permuted_frechet_distances_are_in_squared_units_of_the_features(exponent, rng):
    x = rng.standard_normal((200, 4)).astype(np.float32)
    wanted = permuted(x, 90, Moments.of(x), 10, np.random.default_rng(0))
    x = x * np.float32(2.0**exponent)
    found = permuted(x, 90, Moments.of(x), 10, np.random.default_rng(0))
    for value, there in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(value) / 4.0**exponent, there, rtol=1e-5)


def test_slices_of_features_that_are_all_zero_have_a_unit():
    found = findings(np.zeros((30, 3)), np.zeros((30, 3)), ["sliced"])
    assert found["sliced_energy"].value == 0
    assert 0 < SMALLEST < 1e-40


def test_tests_that_exchange_few_rows_agree_with_all_divisions(rng):
    x, y = rng.standard_normal((4, 3)), rng.standard_normal((5, 3)) + 1
    both = np.concatenate([x, y]).astype(np.float32).astype(np.float64)

    def length(first):
        rest = np.setdiff1d(np.arange(9), first)
        return np.square((both[list(first)].mean(axis=0) - both[rest].mean(axis=0)) / both.std(axis=0)).sum()

    def variance(first):
        rest, z = np.setdiff1d(np.arange(9), first), (both - both.mean(axis=0)) / both.std(axis=0)
        error = np.sqrt(((z**4).mean(axis=0) - 1) * (1 / 4 + 1 / 5) + 2 * (1 / 16 + 1 / 25))
        return (np.abs(np.log(z[list(first)].var(axis=0) / z[rest].var(axis=0))) / error).max()

    found = findings(x, y, ["moments"])
    for statistic, name in ((length, "mean_shift"), (variance, "variance_shift")):
        all_of_them = np.array([statistic(first) for first in combinations(range(9), 4)])
        exact = np.mean(all_of_them >= all_of_them[0] * (1 - 1e-9))
        assert found[name].p == pytest.approx(exact, abs=4 * np.sqrt(exact / 2000)), name
    assert least_p(4, 5) == 1 / len(all_of_them)


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_equal_rows_of_both_sets_lie_among_each_other(share, rng):
    def rows(count):
        x = rng.standard_normal((count, 4)) * 1e-3 + 5
        x[: int(share * count)] = 0
        return x

    found = findings(rows(400), rows(300), ["prdc"])
    assert min(found["precision"].value, found["recall"].value) > 0.9
    assert found["density"].value == pytest.approx(1, abs=0.1)
    if share == 1:
        assert [found[name].value for name in ("precision", "recall", "coverage", "prdc")] == [1, 1, 1, 0]


@pytest.mark.parametrize(("n", "m"), [(2, 2), (2, 3), (5, 4), (19, 19), (2, 300), (300, 19)])
def test_very_few_rows_leave_out_only_what_needs_more_and_say_so(n, m, rng):
    found = findings(rng.standard_normal((n, 5)), rng.standard_normal((m, 5)))
    left_out = {name: verdict for name, verdict in found.items() if not np.isfinite(verdict.value)}
    assert {"c2st_accuracy", "c2st_auc"} <= set(left_out)
    assert f"there are {n} and {m}" in found["c2st_auc"].sentence
    assert all("need" in one.sentence or "too few" in one.sentence for one in left_out.values())
    assert {"mean_shift", "ks_mean", "sliced_energy", "frechet", "mmd"} <= set(found) - set(left_out)

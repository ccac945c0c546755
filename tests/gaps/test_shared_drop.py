"""A drop of single classes is no drop that all share."""

import numpy as np
import pytest

from gapscope.gaps.breakdown import break_down
from gapscope.gaps.classes import class_drops
from gapscope.gaps.keys import strangers
from gapscope.gaps.shared_drop import standing_apart
from gapscope.inference.shrunk import by_spread
from gapscope.predictions import Predictions


def side(rng, accuracies, rows):
    k = len(accuracies)
    label = np.repeat(np.arange(k), rows)
    right = rng.random(k * rows) < np.repeat(accuracies, rows)
    names = tuple(f"class {index}" for index in range(k))
    answer = np.where(right, label, (label + 1) % k)[:, None]
    return Predictions("model", "set", "test", names, np.arange(k * rows), label, answer)


def account(rng, before, after, rows=400):
    sides = side(rng, before, rows), side(rng, after, rows)
    return break_down(*sides, keys=strangers(*(one.sample_id for one in sides)), replicates=100)


def test_of_two_classes_the_one_that_fell_is_named(rng):
    found = account(rng, [0.95, 0.95], [0.79, 0.94])
    assert found.largest.name == "class_drop"
    assert found.term("class_drop").by_class.argmax() == 0
    assert found.term("class_drop").value == pytest.approx(0.15 / 2, abs=0.04)
    assert found.term("class_drop").low > 0
    assert abs(found.term("common_drop").value) < 0.05


def test_of_ten_classes_two_that_fell_are_set_apart_from_the_drop_of_the_others(rng):
    found = account(rng, [0.9] * 10, [0.86] * 8 + [0.5, 0.4])
    assert list(np.flatnonzero(standing_apart(found.drops))) == [8, 9]
    assert found.largest.name == "class_drop"
    assert found.term("common_drop").value == pytest.approx(0.04, abs=0.025)


def test_a_drop_that_all_share_sets_none_apart():
    apart, lead = 0, 0
    for seed in range(30):
        found = account(np.random.default_rng(seed), [0.9, 0.8, 0.9, 0.95, 0.7], [0.8, 0.7, 0.8, 0.85, 0.6])
        apart += bool(standing_apart(found.drops).any())
        lead += found.largest.name == "class_drop"
    assert apart <= 4
    assert lead == 0


def test_drops_that_are_unequal_everywhere_have_no_class_apart(rng):
    rows = np.full(40, 2000)
    truth = np.linspace(0, 0.4, 40)
    drops = class_drops(rng.binomial(2000, 0.9, 40), rows, rng.binomial(2000, 0.9 - truth), rows)
    assert not standing_apart(drops).any()
    assert drops.homogeneity_p < 0.01


def test_the_spread_of_ten_classes_is_not_overstated():
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        raw = 0.07 + 0.04 * rng.standard_normal(10) + 0.03 * rng.standard_normal(10)
        found.append(by_spread(raw, np.full(10, 0.03)).median)
    assert np.mean(found) == pytest.approx(0.04, abs=0.006)

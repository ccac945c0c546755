"""Laws of the distance, of mixtures and of separability, on made-up features."""

import numpy as np
import pytest

from gapscope.causes.appearance import NormalScores
from gapscope.causes.distance import Grams, resampled
from gapscope.causes.kernel import Kernel
from gapscope.causes.separability import separability


def grams(versions, target, different=None):
    different = np.ones((len(versions[0]), len(target)), bool) if different is None else different
    return Grams.of(kernel_of(versions[0], target, different), versions, target, different)


def kernel_of(x, y, different=None, dim=None):
    different = np.ones((len(x), len(y)), bool) if different is None else different
    return Kernel.of(x, y, dim or x.shape[1], different, np.random.default_rng(0))


def chance(x, y, different=None):
    return kernel_of(x, y, different).p


def names(prefix, n):
    return [f"{prefix}-{index}" for index in range(n)]


def test_the_distance_is_zero_on_average_between_samples_of_one_population(rng):
    one = np.eye(1)[0]
    found = [grams([rng.normal(size=(30, 8))], rng.normal(size=(30, 8))).terms().distance(one) for _ in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    assert min(found) < 0


def test_pairs_of_the_same_image_do_not_count(rng):
    found = []
    for _ in range(200):
        content = rng.normal(size=(30, 8))
        paired = grams([content], content + 0.1 * rng.normal(size=(30, 8)), ~np.eye(30, dtype=bool))
        found.append(paired.terms().distance(np.ones(1)))
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found)) + 1e-4


def test_the_distance_of_a_mixture_is_that_of_the_mixed_rows(rng):
    """With as many rows as one likes, the quadratic form and the rows themselves agree."""
    plain, moved = rng.normal(size=(600, 3)), rng.normal(size=(600, 3)) + 2
    target = rng.normal(size=(600, 3)) + 2 * (np.arange(600) < 180)[:, None]
    both = grams([plain, moved], target)
    shares = both.terms().best()
    assert shares[1] == pytest.approx(0.3, abs=0.05)
    assert both.terms().explained(shares) > 0.97
    assert both.terms().explained(np.array([1.0, 0.0])) == 0


def test_a_second_version_that_adds_little_is_left_out(rng):
    target = rng.normal(size=(200, 4)) + 1
    versions = [rng.normal(size=(200, 4)), rng.normal(size=(200, 4)) + 1, rng.normal(size=(200, 4)) + 1.02]
    assert np.count_nonzero(grams(versions, target).terms().best()) == 1


def test_weights_of_one_are_no_weights_and_a_doubled_image_counts_twice(rng):
    both = grams([rng.normal(size=(20, 4)), rng.normal(size=(20, 4))], rng.normal(size=(25, 4)))
    plain, weighted = both.terms(), both.terms(np.ones(20), np.ones(25))
    assert np.allclose(plain.within, weighted.within)
    twice = np.ones(20)
    twice[0] = 2
    rows = np.array([0, *range(20)])
    assert both.terms(twice).across == pytest.approx(both.across[:, rows].mean(axis=(1, 2)))
    several = both.terms(np.stack([twice, np.ones(20)]), np.ones((2, 25)))
    for place, one in enumerate((both.terms(twice), plain)):
        assert all(np.allclose(found[place], wanted) for found, wanted in zip(several, one, strict=True))
        assert np.allclose(several.explained(np.array([0.5, 0.5]))[place], one.explained(np.array([0.5, 0.5])))


def test_intervals_of_the_explained_share_hold_the_true_one(rng):
    """Half of a shift is undone: the share is that of large sets in about 95 % of samples."""

    def sample(n):
        return [rng.normal(size=(n, 5)), rng.normal(size=(n, 5)) + 0.5], rng.normal(size=(n, 5)) + 1

    kernel = kernel_of(sample(800)[0][0], sample(800)[1])
    shares = np.array([0.0, 1.0])
    truth = np.mean([Grams.of(kernel, *sample(800), np.ones((800, 800))).terms().explained(shares) for _ in range(3)])
    held = 0
    for _ in range(40):
        one = Grams.of(kernel, *sample(60), np.ones((60, 60)))
        low, high = np.quantile(resampled(one, rng, 100).explained(shares), [0.025, 0.975])
        held += low <= truth <= high
    assert held >= 33


def test_chance_is_even_under_no_shift_and_small_under_one(rng):
    p = []
    for _ in range(40):
        x, y = rng.normal(size=(25, 6)), rng.normal(size=(25, 6))
        p.append(chance(x, y))
    assert 0.3 < np.mean(p) < 0.7
    assert sum(one <= 0.05 for one in p) <= 7
    assert chance(x, y + 1) < 0.01


def test_the_same_images_are_no_shift(rng):
    x = rng.normal(size=(40, 6))
    y = x + 0.01 * rng.normal(size=x.shape)
    assert chance(x, y, ~np.eye(40, dtype=bool)) > 0.05


def test_a_shift_that_features_hardly_show_is_seen_by_how_images_look(rng):
    x, y = rng.normal(size=(60, 40)), rng.normal(size=(60, 40))
    y[:, -1] += 2  # of five attributes behind the features, one moves
    assert kernel_of(x, y, dim=35).p < 0.01
    assert kernel_of(x[:, :35], y[:, :35]).p > 0.01


def test_appearance_counts_for_no_more_of_the_distance_than_the_features(rng):
    x, y = rng.normal(size=(80, 40)), rng.normal(size=(80, 40)) + 1
    y[:, 35:] += 5
    features, seen = kernel_of(x, y, dim=35).views
    assert seen.weight * seen.by_chance.distance <= features.by_chance.distance * 1.001


def test_the_scores_of_looks_have_no_unit_and_no_outlier(rng):
    rows = np.column_stack([rng.normal(size=50), rng.normal(size=50)])
    rows[3, 0] = np.nan
    scores = NormalScores(rows)
    other = rows * [1000, 1] + [5, 0]
    assert np.allclose(scores(rows), NormalScores(other)(other))
    assert scores(rows)[3, 0] == 0
    assert scores(np.full((1, 2), 1e9)).max() < 3


def test_separability_is_one_half_for_one_population_also_of_the_same_images(rng):
    areas = [
        separability(rng.normal(size=(60, 90)), rng.normal(size=(60, 90)), names("a", 60), names("b", 60))
        for _ in range(20)
    ]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.04)
    x = rng.normal(size=(100, 30))
    assert separability(x, x, names("a", 100), names("a", 100)) == pytest.approx(0.5, abs=0.05)


def test_separability_grows_to_one(rng):
    x = rng.normal(size=(80, 30))
    far, near = (
        separability(x, rng.normal(size=(80, 30)) + shift, names("a", 80), names("b", 80)) for shift in (2, 0.2)
    )
    assert far > 0.999
    assert 0.55 < near < 0.95

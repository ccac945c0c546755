"""Margin changes by feature add up exactly, errors are calibrated, and the null space of a head is found."""

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.stats import ttest_ind

from gapscope.core.errors import InputError
from gapscope.gaps.attribution import attribution, chief_rivals, row_space_share
from gapscope.summaries import ClassMoments

K, D = 4, 7


@pytest.fixture
def head(rng):
    return rng.standard_normal((K, D)), rng.standard_normal(K)


def rows(rng, n, shift=0.0):
    y = rng.integers(0, K, n)
    return rng.standard_normal((n, D)) * 2 + y[:, None] + shift, y


def confusion_of(weight, bias, x, y):
    table = np.zeros((len(weight), len(weight)), int)
    np.add.at(table, (y, (x @ weight.T + bias).argmax(axis=1)), 1)
    return table


def found(head, reference, target):
    weight, bias = head
    moments = [ClassMoments.of(*side, len(weight)) for side in (reference, target)]
    return attribution(weight, bias, *moments, confusion_of(weight, bias, *target))


def margins(head, rival, x, y):
    scores = x @ head[0].T + head[1]
    return scores[np.arange(len(y)), y] - scores[np.arange(len(y)), rival[y]]


def test_the_features_add_up_to_the_change_of_the_margins(head, rng):
    reference, target = rows(rng, 500), rows(rng, 400, rng.standard_normal(D))
    result = found(head, reference, target)
    before, after = (margins(head, result.rival, *side) for side in (reference, target))
    for label in range(K):
        old, new = before[reference[1] == label].mean(), after[target[1] == label].mean()
        assert result.margin_reference[label] == pytest.approx(old, rel=1e-10)
        assert result.margin_target[label] == pytest.approx(new, rel=1e-10)
        assert result.effect[label].sum() == pytest.approx(new - old, rel=1e-10, abs=1e-12)
        assert result.by_class[label] == pytest.approx(new - old, rel=1e-10, abs=1e-12)
    shares = np.bincount(target[1]) / len(target[1])
    assert result.feature.sum() == pytest.approx(shares @ result.by_class, abs=1e-12)
    assert result.total == pytest.approx(result.feature.sum(), abs=1e-12)
    np.testing.assert_allclose(result.share, shares)


def test_the_chief_rival_is_the_most_frequent_confusion(head, rng):
    weight, bias = head
    target = ClassMoments.of(*rows(rng, 100), K)
    confusion = np.array([[9, 1, 3, 0], [0, 9, 0, 0], [4, 0, 9, 5], [1, 1, 0, 9]])
    runner_up = (target.mean[1] @ weight.T + bias) * np.where(np.arange(K) == 1, np.nan, 1)
    np.testing.assert_array_equal(chief_rivals(weight, bias, target, confusion), [2, np.nanargmax(runner_up), 3, 0])


def test_with_one_class_present_the_test_is_welchs(rng):
    weight, bias = np.array([[1.0, -2.0], [0.0, 0.5]]), np.zeros(2)
    x, z = rng.normal(0, 1, (12, 2)), rng.normal(0.3, 3, (30, 2))
    result = found((weight, bias), (x, np.zeros(12, int)), (z, np.zeros(30, int)))
    np.testing.assert_allclose(result.p, ttest_ind(z, x, equal_var=False).pvalue, rtol=1e-9)
    assert np.isnan(result.by_class[1])


def test_p_values_of_two_samples_of_one_population_are_calibrated(head):
    rng = np.random.default_rng(5)
    ps = np.array([found(head, rows(rng, 60), rows(rng, 40)).p for _ in range(150)])
    assert 0.03 <= (ps <= 0.05).mean() <= 0.07


def test_the_feature_that_moved_is_named(head, rng):
    weight = head[0].copy()
    weight[:, 4] = [8, 0, 0, 0]
    shift = np.zeros(D)
    shift[4] = -3
    (x, y), reference = rows(rng, 900), rows(rng, 900)
    x[y == 0] += shift
    result = found((weight, head[1]), reference, (x, y))
    assert result.order[0] == 4
    assert result.adjusted_p[4] < 1e-6
    assert "features lower it beyond chance" in result.sentence()


def test_a_shift_in_the_null_space_is_harmless(head, rng):
    weight = head[0]
    hidden = null_space(weight - weight.mean(axis=0))[:, 0]
    (x, y), reference = rows(rng, 4000), rows(rng, 4000)
    result = found(head, reference, (x + 50 * hidden, y))
    assert result.row_space < 0.01
    assert result.null_space > 0.99
    assert row_space_share(weight, hidden) == (pytest.approx(0, abs=1e-20), K - 1)
    assert row_space_share(weight, weight[1] - weight[3])[0] == pytest.approx(1)
    assert result.by_chance == (K - 1) / D
    still = found(head, reference, reference)
    assert still.total == 0
    assert np.isnan(still.row_space)
    assert "no class mean differs" in still.sentence()


def test_the_noise_is_what_sampling_gives_to_the_length_on_average(head):
    rng = np.random.default_rng(8)
    results = [found(head, rows(rng, 80), rows(rng, 60)) for _ in range(200)]
    lengths, noises = np.array([(one.length, one.noise) for one in results]).T
    assert lengths.mean() == pytest.approx(noises.mean(), rel=0.1)


def test_classes_on_one_side_alone_take_no_part(head, rng):
    (x, y), (z, w) = rows(rng, 300), rows(rng, 300)
    result = found(head, (x[y > 0], y[y > 0]), (z, w))
    assert np.isnan(result.by_class[0])
    assert result.share[0] == 0
    assert result.total == pytest.approx(np.nansum(result.share * result.by_class), abs=1e-12)
    assert np.isfinite(result.p).all()


def test_single_rows_and_constant_features_give_numbers_and_no_warning(head, rng):
    result = found(head, (np.ones((K, D)), np.arange(K)), (np.zeros((K, D)), np.arange(K)))
    assert np.isfinite(result.feature).all()
    assert (result.p == 1).all()
    flat = rows(rng, 50)
    flat[0][:, 2] = 1
    moved = flat[0] + 0.0
    moved[:, 2] = 2
    assert np.isfinite(found(head, flat, (moved, flat[1])).p).all()


def test_an_untrained_class_is_no_rival(head, rng):
    weight, bias = head[0].copy(), head[1].copy()
    weight[3], bias[3] = 0, -1e30
    (x, y), (z, w) = rows(rng, 300), rows(rng, 300)
    keep, held = y < 3, w < 3
    result = found((weight, bias), (x[keep], y[keep]), (z[held], w[held]))
    assert 3 not in result.rival[:3]
    assert result.by_chance == 2 / D


def test_shapes_that_do_not_fit_are_refused(head, rng):
    moments = ClassMoments.of(*rows(rng, 30), K)
    with pytest.raises(InputError, match=r"the head is \(4, 6\)"):
        attribution(head[0][:, :6], head[1], moments, moments, np.eye(K))
    with pytest.raises(InputError, match="the head has 4 classes"):
        attribution(*head, moments, moments, np.eye(3))
    nobody = ClassMoments.of(np.zeros((3, D)), np.full(3, -1), K)
    with pytest.raises(InputError, match="no class has labelled rows in both sets"):
        attribution(*head, moments, nobody, np.eye(K))
    broken = ClassMoments.of(np.full((2, D), np.nan), np.array([0, 1]), K)
    with pytest.raises(InputError, match="not finite"):
        attribution(*head, moments, broken, np.eye(K))


def test_the_table_has_a_row_for_each_feature(head, rng):
    columns = found(head, rows(rng, 50), rows(rng, 50)).columns()
    assert {len(column) for column in columns.values()} == {D}

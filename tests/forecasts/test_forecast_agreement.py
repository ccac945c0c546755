"""Agreement on the line: the line of pairs, both estimates, leave-one-out, and the models it cannot place."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import linregress, norm

from gapscope.core.errors import InputError
from gapscope.forecasts.agreement import agreement_on_the_line
from gapscope.predictions import Predictions
from gapscope.predictions.read import read_all_models


def answers(rng, accuracies, n, classes=10):
    """Answers ``(m, n)`` of models of these accuracies to questions of a common difficulty, and the labels."""
    label = rng.integers(0, classes, n)
    hard = rng.random(n)
    found = []
    for accuracy in accuracies:
        right = 0.7 * hard + 0.3 * rng.random(n) < np.quantile(0.7 * hard + 0.3 * rng.random(n), accuracy)
        found.append(np.where(right, label, (label + rng.integers(1, classes, n)) % classes))
    return np.array(found), label


@pytest.fixture
def sets(rng):
    reference, label = answers(rng, np.linspace(0.6, 0.9, 6), 2000)
    target, truth = answers(rng, np.linspace(0.45, 0.8, 6), 1500)
    return reference, target, label, truth


def by_hand(reference, target, label, without=None):
    pairs = [pair for pair in combinations(range(len(reference)), 2) if without not in pair]
    x, y = (norm.ppf([(side[i] == side[j]).mean() for i, j in pairs]) for side in (reference, target))
    line = linregress(x, y)
    accuracy = norm.ppf((reference == label).mean(axis=1))
    return line, norm.cdf(line.intercept + line.slope * accuracy), pairs, x, y, accuracy


def test_the_line_is_least_squares_through_the_pairs_on_probit_axes(sets):
    reference, target, label, _ = sets
    found = agreement_on_the_line(reference, target, label)
    line, estimates, pairs, x, y, accuracy = by_hand(reference, target, label)
    assert (found.slope, found.intercept, found.r) == pytest.approx((line.slope, line.intercept, line.rvalue))
    np.testing.assert_allclose(found.estimates, estimates)
    means = np.array([[0.5 * (model in pair) for model in range(6)] for pair in pairs])
    solved = np.linalg.lstsq(means, y + line.slope * (means @ accuracy - x))[0]
    np.testing.assert_allclose(found.direct, norm.cdf(solved))
    assert found.pairs == 15
    assert found.agreement_target[1, 2] == (target[1] == target[2]).mean()


def test_it_comes_near_the_accuracies(sets):
    reference, target, label, truth = sets
    found = agreement_on_the_line(reference, target, label)
    accuracy = (target == truth).mean(axis=1)
    assert np.abs(found.estimates - accuracy).mean() < np.abs(found.accuracy_reference - accuracy).mean()


def test_leaving_a_model_out_fits_the_line_without_its_pairs(sets):
    reference, target, label, _ = sets
    found = agreement_on_the_line(reference, target, label, leave_one_out=True)
    for model in range(6):
        assert found.estimates[model] == pytest.approx(by_hand(reference, target, label, model)[1][model])


def test_the_order_of_models_and_rows_does_not_matter(sets, rng):
    reference, target, label, _ = sets
    turned, rows = rng.permutation(6), rng.permutation(2000)
    ids = np.arange(2000), np.arange(1500)
    one = agreement_on_the_line(reference, target, label, replicates=20, sample_id=ids)
    other = agreement_on_the_line(
        reference[turned][:, rows], target[turned], label[rows], replicates=20, sample_id=(rows, ids[1])
    )
    np.testing.assert_allclose(other.estimates, one.estimates[turned], rtol=1e-12)
    np.testing.assert_allclose(other.low, one.low[turned], rtol=1e-10)
    assert (one.low < one.estimates).all()
    assert (one.estimates < one.high).all()


def test_predictions_give_the_same_and_only_the_reference_needs_labels(sets, rng):
    reference, target, label, _ = sets
    names = tuple("abcdefghij")

    def tables(side, label):
        ids = np.arange(side.shape[1])
        return [Predictions(f"m{i}", "toy", "val", names, ids, label, row[:, None]) for i, row in enumerate(side)]

    plain = agreement_on_the_line(reference, target, label)
    bare = np.full(1500, -1)
    found = agreement_on_the_line(tables(reference, label), tables(target, bare))
    np.testing.assert_array_equal(found.estimates, plain.estimates)
    some = np.where(np.arange(2000) < 1000, label, -1)
    half = agreement_on_the_line(tables(reference, some), tables(target, bare))
    np.testing.assert_array_equal(
        half.estimates, agreement_on_the_line(reference[:, :1000], target, label[:1000]).estimates
    )
    mixed = tables(target, bare)
    mixed[1] = replace(mixed[1], sample_id=mixed[1].sample_id[::-1])
    with pytest.raises(InputError, match="m1 and m0 predict different rows"):
        agreement_on_the_line(tables(reference, label), mixed)


def test_models_of_one_group_are_not_compared(sets):
    reference, target, label, _ = sets
    found = agreement_on_the_line(reference, target, label, group=np.array([0, 1, 0, 1, 0, 1]))
    assert found.pairs == 9
    assert np.isnan(found.agreement_reference[0, 2])
    assert np.isfinite(found.estimates).all()


def test_two_models_have_no_line(sets):
    reference, target, label, _ = sets
    found = agreement_on_the_line(reference[:2], target[:2], label, replicates=5)
    assert np.isnan([found.slope, *found.estimates, *found.direct, *found.low]).all()


def test_a_perfect_model_is_left_out_and_the_others_stay(sets):
    reference, target, label, _ = sets
    with_oracle = np.vstack([reference, label]), np.vstack([target, target[0]])
    found = agreement_on_the_line(*with_oracle, label, replicates=5)
    assert np.isnan(found.estimates[-1])
    assert np.isfinite(found.estimates[:-1]).all()


def test_models_that_agree_on_everything_are_left_out_of_the_line(sets):
    reference, target, label, _ = sets
    twins = np.vstack([reference, reference[:1]]), np.vstack([target, target[:1]])
    found = agreement_on_the_line(*twins, label)
    assert found.pairs == 20
    assert np.isfinite(found.estimates).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a, b, y: (a[:1], b[:1], y), "two or more models on both sets; got 1 and 1"),
        (lambda a, b, y: (a, b[:2], y), "got 6 and 2"),
        (lambda a, b, y: (a, b, None), "needs the labels of the reference"),
        (lambda a, b, y: (a, b, np.full_like(y, -1)), "needs labelled rows"),
        (lambda a, b, y: ([], [], None), "needs the labels"),
    ],
)
def test_what_cannot_be_compared_is_refused(sets, change, sentence):
    with pytest.raises(InputError, match=sentence):
        agreement_on_the_line(*change(*sets[:3]))


def test_real_models_on_imagenet_v2_are_forecast_within_a_few_points(test_data):
    folder = test_data / "imagenet-predictions"
    if not folder.exists():
        pytest.skip(f"no predictions at {folder}")
    names = [name for name in pq.read_schema(folder / "validation.parquet").names if name not in ("image", "label")]
    sides = [
        read_all_models(str(folder / f"{name}.parquet"), class_names=[str(i) for i in range(1000)])
        for name in ("validation", "v2-matched-frequency")
    ]
    found = agreement_on_the_line(*sides)
    truth = np.array([one.accuracy() for one in sides[1]])
    gap = np.abs(found.accuracy_reference - truth).mean()
    assert [one.model for one in sides[0]] == names
    assert found.r > 0.99
    assert np.abs(found.estimates - truth).mean() < gap / 4

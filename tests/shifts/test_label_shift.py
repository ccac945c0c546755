"""Label shift told from predictions: worked examples, recovery of a known shift, and calibrated tests."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import chi2_contingency

from gapscope.core.errors import InputError
from gapscope.predictions.table import Predictions
from gapscope.shifts.bias_corrected import bias_corrected
from gapscope.shifts.black_box import possible, solved
from gapscope.shifts.class_shares import Responsibilities, TargetRows, mlls
from gapscope.shifts.label_shift import homogeneity_p, label_shift
from gapscope.store import ArrayStore
from gapscope.stream import connect

K = 4


def same(scores):
    return scores


def predicted_set(rng, shares, rows, start=0, sharpness=1.0, name="source"):
    """A set whose classes are Gaussians on the corners of a simplex, with Bayes scores under equal shares."""
    label = rng.choice(len(shares), rows, p=shares)
    x = 1.5 * np.eye(len(shares))[label] + rng.standard_normal((rows, len(shares)))
    scores = np.float32(sharpness * 1.5 * x)
    top = scores.argmax(axis=1)[:, None]
    names = tuple(f"class {index}" for index in range(len(shares)))
    return Predictions("m", name, "", names, np.arange(start, start + rows), label.astype(np.int32), top, scores=scores)


def bbse(confusion, predicted_target):
    """How many times as frequent each class is in the target as in the source."""
    return possible(solved(confusion, predicted_target).weight, confusion.sum(axis=1) / confusion.sum())


def test_bbse_equals_the_worked_example():
    np.testing.assert_allclose(bbse(np.array([[45, 5], [10, 40]]), np.array([34, 66])), [0.4, 1.6], atol=1e-12)


def test_bbse_undoes_any_known_shift(rng):
    given = rng.dirichlet(np.ones(5), 5) + 2 * np.eye(5)
    given /= given.sum(axis=1, keepdims=True)
    prior, shifted = rng.dirichlet(np.ones(5) * 5), rng.dirichlet(np.ones(5) * 5)
    found = bbse(1e6 * prior[:, None] * given, 1e5 * shifted @ given)
    np.testing.assert_allclose(found, shifted / prior, rtol=1e-9)


def test_classes_that_cannot_be_told_apart_are_pulled_towards_no_shift():
    blind = np.array([[50.0, 50], [50, 50]])
    found = solved(blind, np.array([60, 40]))
    assert found.regularised
    np.testing.assert_allclose(found.weight, 1, atol=1e-9)
    nearly = solved(np.array([[505.0, 495], [495, 505]]), np.array([60, 40]))
    assert nearly.regularised == (nearly.condition > 100)
    assert not solved(np.array([[45.0, 5], [10, 40]]), np.array([34, 66])).regularised


def test_a_class_without_source_rows_keeps_weight_one():
    confusion = np.array([[45, 5, 0], [10, 40, 0], [0, 0, 0]])
    np.testing.assert_allclose(bbse(confusion, np.array([34, 66, 0])), [0.4, 1.6, 1.0], atol=1e-12)


def test_nothing_to_estimate_from_is_one_sentence():
    with pytest.raises(InputError, match="labelled rows of the source and predictions for the target"):
        solved(np.zeros((2, 2)), np.array([1, 2]))


def test_mlls_is_the_fixed_point_and_recovers_the_shares(rng):
    shares = np.array([0.5, 0.3, 0.15, 0.05])
    target = predicted_set(rng, shares, 20_000)
    prior = np.full(K, 0.25)
    p = softmax(target.scores.astype(float), axis=1)
    found = mlls(prior, p)
    again = Responsibilities.of(p, found / prior)
    np.testing.assert_allclose(again.total / again.rows, found, atol=1e-6)
    np.testing.assert_allclose(found, shares, atol=0.015)


@pytest.mark.parametrize("chunk_rows", [33, 4096])
def test_mlls_by_chunks_equals_mlls_of_the_matrix(rng, chunk_rows):
    target = predicted_set(rng, np.array([0.4, 0.3, 0.2, 0.1]), 400)
    p = np.float32(softmax(target.scores.astype(float), axis=1))
    view = ArrayStore(p, target.label, list(target.class_names)).view()
    with connect(threads=2) as workers:
        rows = TargetRows(view, same, workers, chunk_rows=chunk_rows)
        found = mlls(np.full(K, 0.25), rows)
        drawn = rows.replicates(np.full(K, 0.25), found, 0, 50)
    np.testing.assert_allclose(found, mlls(np.full(K, 0.25), p), atol=1e-10)
    np.testing.assert_allclose(drawn.sum(axis=1), 1, atol=1e-9)


def test_calibration_finds_the_temperature(rng):
    source = predicted_set(rng, np.full(K, 0.25), 6000, sharpness=3.0)
    view = ArrayStore(source.scores, source.label, list(source.class_names)).view()
    with connect(threads=1) as workers:
        found = bias_corrected(view, same, workers)
    assert found.sharpness == pytest.approx(1 / 3, abs=0.02)
    assert np.abs(found.bias).max() < 0.15
    np.testing.assert_allclose(found(source.scores[:5]).sum(axis=1), 1)


def test_a_label_shift_is_found_with_its_classes(rng):
    shares = np.array([0.45, 0.25, 0.25, 0.05])
    source = predicted_set(rng, np.full(K, 0.25), 6000, sharpness=2.0)
    target = predicted_set(rng, shares, 4000, start=10**6, sharpness=2.0, name="target")
    with connect(threads=1) as workers:
        found = label_shift(source, target, workers=workers)
    truth = shares / 0.25
    assert ((found.low <= truth + 0.02) & (truth - 0.02 <= found.high)).all()
    np.testing.assert_allclose(found.likeliest, shares, atol=0.03)
    assert ((found.likeliest_low - 0.01 <= shares) & (shares <= found.likeliest_high + 0.01)).all()
    assert found.test_p < 1e-9
    assert set(found.changed) == {0, 3}
    assert found.distance == pytest.approx(0.2, abs=0.03)
    sentence = found.verdicts()[0].sentence
    assert "class 0 became more frequent and class 3 became less frequent" in sentence
    assert [one.class_name for one in found.verdicts()[1:]] == [found.class_names[i] for i in found.changed]
    assert set(found.columns()) >= {"label_shift_weight", "label_shift_mlls"}


def test_without_shift_nothing_is_claimed(rng):
    found = label_shift(predicted_set(rng, np.full(K, 0.25), 2000), predicted_set(rng, np.full(K, 0.25), 900, 10**6))
    assert found.likeliest is None
    assert len(found.changed) == 0
    assert "no label shift beyond what samples of this size show" in found.verdicts()[0].sentence
    assert found.distance < 3 * found.distance_null


def test_replicates_do_not_depend_on_the_order_of_rows(rng):
    source, target = predicted_set(rng, np.full(K, 0.25), 500), predicted_set(rng, np.full(K, 0.25), 300, 10**6)
    moved = source.rows(rng.permutation(500))
    one, other = label_shift(source, target), label_shift(moved, target)
    np.testing.assert_allclose(one.low, other.low, atol=1e-12)
    assert one.distance_low == other.distance_low


def test_homogeneity_equals_scipy_where_no_cell_is_rare(rng):
    table = rng.integers(20, 90, (2, 6))
    assert homogeneity_p(*table) == pytest.approx(chi2_contingency(table, correction=False).pvalue)
    assert homogeneity_p(np.array([5, 0]), np.array([3, 0])) == 1.0


def test_unlabelled_and_single_class_rows_are_no_trouble(rng):
    source = predicted_set(rng, np.full(K, 0.25), 300)
    source.label[:100] = -1
    assert np.isfinite(label_shift(source, source).weight).all()
    one = predicted_set(rng, np.ones(1), 30)
    found = label_shift(one, one)
    assert (found.weight[0], found.test_p, found.p[0]) == (1.0, 1.0, 1.0)


def rejections(runs):
    found = []
    for run in range(runs):
        rng = np.random.default_rng(run)
        shares = np.array([0.4, 0.3, 0.2, 0.1])
        one = label_shift(
            predicted_set(rng, shares, 600), predicted_set(rng, shares, 300, 10**6), seed=run, replicates=100
        )
        found.append((one.test_p < 0.05, len(one.changed) > 0, *(one.p < 0.05)))
    return np.mean(found, axis=0)


def test_equal_shares_are_rarely_called_shifted():
    assert rejections(80)[0] <= 0.12


@pytest.mark.slow
def test_rejects_equal_shares_as_often_as_it_says():
    found = rejections(1000)
    assert 0.02 <= found[0] <= 0.08
    assert found[1] <= 0.08
    assert (found[2:] <= 0.08).all()
    assert (found[2:] >= 0.02).all()

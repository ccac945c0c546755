"""Remedies undo the changes that they are made for, leave identical sets alone, and never see a target label."""

import pickle
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from sklearn.covariance import oas

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.remedies import REMEDIES, prior
from gapscope.remedies.coral import transport
from gapscope.remedies.monotone import Monotone
from gapscope.remedies.prior import Posteriors, target_prior
from gapscope.remedies.quantiles import Ranks, distribution, monotone
from gapscope.store import ArrayStore, Changed
from gapscope.stream import connect
from gapscope.summaries import Moments
from gapscope.summaries.shrinkage import oas_share, shrunk

DIM, CLASSES = 6, 3


@pytest.fixture(params=sorted(REMEDIES))
def name(request):
    return request.param


@pytest.fixture
def workers():
    with connect(threads=2) as connected:
        yield connected


@pytest.fixture
def model(rng):
    """The Bayes rule of three Gaussian blobs around `centres`, in a dimension where they overlap."""
    centres = rng.standard_normal((CLASSES, DIM)) * 1.2
    weight = centres.astype(np.float32)
    return Classifier("lda", Linear(weight, (-0.5 * (centres**2).sum(axis=1)).astype(np.float32)))


def blobs(rng, model, n, shares=None):
    y = rng.choice(CLASSES, n, p=shares)
    return (model.rule.weight[y] + rng.standard_normal((n, DIM))).astype(np.float32), y


def view(x, y=None, name="toy/test"):
    y = np.full(len(x), -1) if y is None else y
    return ArrayStore(np.asarray(x, np.float32), y, [str(c) for c in range(CLASSES)], name).view()


def test_identical_sets_are_left_as_they_are(name, model, workers, rng):
    x, y = blobs(rng, model, 700)
    remedy = REMEDIES[name].fit(model, view(x, y), view(x), workers)
    np.testing.assert_allclose(remedy.features(x), x, atol=1e-5)
    np.testing.assert_allclose(remedy.scores(model, x), model.scores(x), atol=1e-4)
    np.testing.assert_array_equal(remedy.scores(model, x).argmax(axis=1), model.predict(x))


def test_target_labels_change_nothing(name, model, workers, rng):
    (x, y), (other, labels) = blobs(rng, model, 300), blobs(rng, model, 200, [0.7, 0.2, 0.1])
    with_labels = REMEDIES[name].fit(model, view(x, y), view(other, labels), workers).scores(model, other)
    without = REMEDIES[name].fit(model, view(x, y), view(other), workers).scores(model, other)
    np.testing.assert_array_equal(with_labels, without)


def test_a_repair_travels(name, model, workers, rng):
    x, y = blobs(rng, model, 100)
    remedy = REMEDIES[name].fit(model, view(x, y), view(x + 1), workers)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(remedy)).scores(model, x), remedy.scores(model, x))
    assert remedy.scores(model, x).shape == (100, CLASSES)
    assert remedy.name == name
    assert remedy.note


def test_the_repair_of_a_row_depends_on_no_other_row(name, model, workers, rng):
    x, y = blobs(rng, model, 100)
    remedy = REMEDIES[name].fit(model, view(x, y), view(2 * x + 1), workers)
    one_by_one = np.concatenate([remedy.scores(model, x[i : i + 1]) for i in range(0, 100, 9)])
    np.testing.assert_allclose(one_by_one, remedy.scores(model, x)[::9], rtol=1e-5, atol=1e-5)
    assert remedy.scores(model, x[:0]).shape == (0, CLASSES)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows_are_enough(name, model, workers, rng, rows):
    x, y = blobs(rng, model, 50)
    for reference, target in ((x, x[:rows] + 1), (x[:rows], x)):
        remedy = REMEDIES[name].fit(model, view(reference, y[: len(reference)]), view(target), workers)
        assert np.isfinite(remedy.scores(model, target)).all()


def test_constant_features_stay_finite(name, model, workers, rng):
    (x, y), (other, _) = blobs(rng, model, 60), blobs(rng, model, 60)
    x[:, 0], other[:, 0], other[:, 1], x[:, 2] = 1, 4, 0.1, -3
    remedy = REMEDIES[name].fit(model, view(x, y), view(other), workers)
    assert np.isfinite(remedy.features(other)).all()
    if name not in ("prior",):
        np.testing.assert_allclose(remedy.features(other)[:, 0], 1, atol=1e-3)


def test_no_rows_and_numbers_that_are_none_are_refused(name, model, workers, rng):
    x, y = blobs(rng, model, 20)
    with pytest.raises(InputError, match="toy/empty has no rows"):
        REMEDIES[name].fit(model, view(x, y), view(x[:0], name="toy/empty"), workers)
    x[3, 2] = np.nan
    with pytest.raises(InputError, match=r"nan|not finite"):
        REMEDIES[name].fit(model, view(x, y), view(x), workers)


def test_processes_of_a_cluster_find_the_same_repair(name, model, workers, rng, cluster):
    (x, y), (other, _) = blobs(rng, model, 500), blobs(rng, model, 400, [0.6, 0.3, 0.1])
    here = REMEDIES[name].fit(model, view(x, y), view(other), workers)
    with connect(cluster) as remote:
        there = REMEDIES[name].fit(model, view(x, y), view(other), remote)
    np.testing.assert_allclose(there.scores(model, other), here.scores(model, other), rtol=1e-6, atol=1e-6)


def test_mean_gives_the_target_the_mean_of_the_reference(model, workers, rng):
    x, other = blobs(rng, model, 300)[0], blobs(rng, model, 200)[0] + 7
    corrected = REMEDIES["mean"].fit(model, view(x), view(other), workers).features(other)
    np.testing.assert_allclose(corrected.mean(axis=0), x.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(corrected - other, (corrected - other)[:1].repeat(200, axis=0), atol=1e-5)


def test_scale_gives_the_target_the_deviations_of_the_reference(model, workers, rng):
    x, other = blobs(rng, model, 300)[0], blobs(rng, model, 200)[0] * np.geomspace(0.1, 10, DIM) + 7
    corrected = REMEDIES["scale"].fit(model, view(x), view(other), workers).features(other)
    np.testing.assert_allclose(corrected.mean(axis=0), x.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(corrected.std(axis=0), x.std(axis=0), rtol=1e-4)


def test_coral_gives_the_target_the_covariance_of_the_reference(model, workers, rng):
    mixing = rng.standard_normal((DIM, DIM))
    x, other = blobs(rng, model, 40_000)[0], blobs(rng, model, 40_000)[0] @ mixing
    corrected = REMEDIES["coral"].fit(model, view(x), view(other), workers).features(other)
    np.testing.assert_allclose(np.cov(corrected.T), np.cov(x.T), atol=0.06)
    np.testing.assert_allclose(corrected.mean(axis=0), x.mean(axis=0), atol=1e-3)


def test_coral_undoes_most_of_a_stretch_along_any_axes(model, workers, rng):
    axes = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
    x = blobs(rng, model, 40_000)[0]
    stretched = x @ (axes * np.geomspace(0.3, 3, DIM) @ axes.T)
    corrected = REMEDIES["coral"].fit(model, view(x), view(stretched), workers).features(stretched)
    assert np.abs(corrected - x).mean() < 0.25 * np.abs(stretched - x).mean()


def test_coral_undoes_a_stretch_exactly_where_the_features_have_one_unit(model, workers, rng):
    turned = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    x = rng.standard_normal((100_000, 2)) @ turned
    stretched = x @ np.array([[1.25, 0.75], [0.75, 1.25]])  # by 2 and 0.5 along the diagonals
    corrected = REMEDIES["coral"].fit(model, view(x), view(stretched), workers).features(stretched)
    assert np.abs(corrected - x).max() < 0.1 < 2 < np.abs(stretched - x).max()


def test_the_transport_is_the_one_of_two_gaussians(rng):
    found, wanted = np.cov(rng.standard_normal((40, 4)).T), np.cov(rng.standard_normal((40, 4)).T)
    carried = transport(found, wanted)
    np.testing.assert_allclose(carried @ found @ carried, wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(carried, carried.T, atol=1e-12)
    assert (np.linalg.eigvalsh(carried) > 0).all()
    np.testing.assert_allclose(transport(np.diag([4.0, 9.0]), np.diag([1.0, 81.0])), np.diag([0.5, 3.0]), atol=1e-12)


@pytest.mark.parametrize(("n", "d"), [(5, 20), (50, 20), (5000, 4)])
def test_shrinkage_is_that_of_scikit_learn(rng, n, d):
    x = rng.standard_normal((n, d)) * np.geomspace(1, 5, d)
    covariance = Moments.of(x).covariance(ddof=0)
    expected, share = oas(x)
    assert oas_share(covariance, n) == pytest.approx(share, rel=1e-9)
    np.testing.assert_allclose(shrunk(covariance, share), expected, rtol=1e-9, atol=1e-12)
    assert oas_share(np.zeros((3, 3)), 10) == 1


def test_quantiles_undo_a_monotone_distortion(model, workers, rng):
    x, fresh = blobs(rng, model, 20_000)[0], blobs(rng, model, 20_000)[0]
    distorted = np.sinh(fresh) + np.arange(DIM, dtype=np.float32)
    corrected = REMEDIES["quantiles"].fit(model, view(x), view(distorted), workers).features(distorted)
    inside = np.abs(fresh - fresh.mean(axis=0)) < 2 * fresh.std(axis=0)
    assert np.abs(corrected - fresh)[inside].max() < 0.15
    for j in range(DIM):
        assert (np.diff(corrected[np.argsort(distorted[:, j], kind="stable"), j]) >= 0).all()


def test_a_value_that_many_rows_share_stays_one_value(workers, rng):
    x = np.maximum(rng.standard_normal((5000, 2)), 0).astype(np.float32)
    target = np.maximum(3 * rng.standard_normal((5000, 2)) - 0.5, 0).astype(np.float32)
    change = monotone(distribution(view(x), workers), distribution(view(target), workers))
    corrected = change(target)
    np.testing.assert_array_equal(corrected[target == 0], 0)
    assert abs(np.quantile(corrected, 0.9) - np.quantile(x, 0.9)) < 0.05


def test_a_map_is_linear_between_its_knots_and_moves_rows_beyond_them(rng):
    knots, values = (np.sort(rng.standard_normal((19, 7)).astype(np.float32), axis=1) for _ in range(2))
    x = np.concatenate([3 * rng.standard_normal((3000, 19)), knots.T]).astype(np.float32)
    changed = Monotone(knots, values, values, values)(x)
    for j in range(19):
        inside = (knots[j, 0] <= x[:, j]) & (x[:, j] <= knots[j, -1])
        expected = np.interp(x[inside, j], knots[j], values[j])
        np.testing.assert_allclose(changed[inside, j], expected, rtol=1e-4, atol=1e-5)
        above = x[:, j] > knots[j, -1]
        np.testing.assert_allclose(changed[above, j], x[above, j] + values[j, -1] - knots[j, -1], atol=1e-5)
    with pytest.raises(ValueError, match="19"):
        Monotone(knots, values, values, values)(x[:, :5])


def test_ranks_count_all_rows_in_any_chunks(rng):
    x = rng.integers(0, 9, (500, 3)).astype(np.float32)
    knots = np.sort(rng.integers(0, 9, (3, 5)), axis=1).astype(np.float32)
    chunk = Chunk(np.arange(500), x, np.zeros(500, np.int32))
    cuts = [0, *np.sort(rng.integers(0, 501, 20)), 500]
    merged = reduce(Ranks.merge, [Ranks.of(chunk.rows(low, high), knots) for low, high in pairwise(cuts)])
    np.testing.assert_array_equal(merged.below, (x.T[:, None, :] < knots[:, :, None]).sum(axis=2))
    np.testing.assert_array_equal(merged.upto, (x.T[:, None, :] <= knots[:, :, None]).sum(axis=2))


def test_the_prior_of_resampled_classes_is_found(model, workers, rng):
    (x, y), (other, labels) = blobs(rng, model, 20_000), blobs(rng, model, 20_000, [0.8, 0.15, 0.05])
    source = model.probabilities(x).mean(axis=0)
    found, passes = target_prior(source, view(model.probabilities(other)), workers)
    np.testing.assert_allclose(found, np.bincount(labels) / len(labels), atol=0.01)
    assert passes < 60
    remedy = REMEDIES["prior"].fit(model, view(x, y), view(other), workers)
    np.testing.assert_allclose(remedy.offset, np.log(found / source), atol=1e-4)


def test_the_prior_is_the_fixed_point_of_expectation_maximisation(model, workers, rng):
    probability = model.probabilities(blobs(rng, model, 3000, [0.1, 0.2, 0.7])[0]).astype(np.float32)
    source = np.array([0.3, 0.3, 0.4])
    found, _ = target_prior(source, view(probability), workers)
    plain = source
    for _ in range(5000):
        weighed = probability.astype(np.float64) * plain / source
        plain = ((weighed / weighed.sum(axis=1, keepdims=True)).sum(axis=0) + source) / (len(probability) + 1)
    np.testing.assert_allclose(found, plain, atol=1e-4)


def test_the_prior_reads_the_target_once_and_says_from_how_many_rows_it_comes(model, workers, rng, monkeypatch):
    (x, y), (other, labels) = blobs(rng, model, 20_000), blobs(rng, model, 20_000, [0.8, 0.15, 0.05])
    monkeypatch.setattr(prior, "MOST_BYTES", 4 * CLASSES * 15_000)
    read = []
    target = Changed(view(other).store, lambda rows: read.append(len(rows)) or rows).view()
    remedy = REMEDIES["prior"].fit(model, view(x, y), target, workers)
    assert sum(read) == 15_000
    assert "of the first 15,000 of 20,000 target rows" in remedy.note
    shares = np.bincount(labels) / len(labels)
    expected = np.log(shares / model.probabilities(x).mean(axis=0))
    np.testing.assert_allclose(remedy.offset, expected, atol=0.06)


def test_posteriors_add_up_over_any_chunks(rng):
    chunk = Chunk(np.arange(300), rng.dirichlet([1, 1, 1], 300).astype(np.float32), np.zeros(300, np.int32))
    weight = np.array([0.5, 1.0, 2.0])
    cuts = [0, *np.sort(rng.integers(0, 301, 30)), 300]
    merged = reduce(Posteriors.merge, [Posteriors.of(chunk.rows(low, high), weight) for low, high in pairwise(cuts)])
    whole = Posteriors.of(chunk, weight)
    np.testing.assert_allclose(merged.total, whole.total, rtol=1e-10)
    assert merged.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-10)


def test_a_model_without_probabilities_keeps_its_scores(model, workers, rng):
    x, y = blobs(rng, model, 50)
    mute = Classifier("ridge", model.rule, probabilistic=False)
    remedy = REMEDIES["prior"].fit(mute, view(x, y), view(x), workers)
    np.testing.assert_array_equal(remedy.scores(mute, x), mute.scores(x))
    assert "no probabilities" in remedy.note

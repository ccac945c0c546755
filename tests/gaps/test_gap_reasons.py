"""Strangeness equals brute force and scikit-learn; codes are as frequent as they claim to be."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.covariance import OAS
from sklearn.neighbors import NearestNeighbors

from gapscope.core.errors import InputError
from gapscope.gaps.distance import DISTANCES, Reference, Whitened
from gapscope.gaps.reasons import about_codes, code_shares, confidences, confusable, reasons, suggested
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.schemas.reasons import CODES, REASONS_SCHEMA
from gapscope.store import ArrayStore
from gapscope.stream import connect

DIM, CLASSES = 8, 5
NAMES = [f"class {index}" for index in range(CLASSES)]


@pytest.fixture
def workers():
    with connect(threads=2) as connected:
        yield connected


@pytest.fixture
def blobs(rng):
    centres = rng.standard_normal((CLASSES, DIM)) * 1.1

    def draw(n):
        y = rng.integers(0, CLASSES, n)
        return (centres[y] + rng.standard_normal((n, DIM))).astype(np.float32), y

    draw.centres = centres
    return draw


@pytest.fixture
def model(blobs):
    bias = -0.5 * (blobs.centres**2).sum(axis=1)
    return Classifier(
        "lda", Linear(blobs.centres.astype(np.float32), bias.astype(np.float32)), class_names=tuple(NAMES)
    )


def view(x, y, name="toy/test"):
    return ArrayStore(np.asarray(x, np.float32), np.asarray(y), NAMES, name).view()


@pytest.fixture
def table(model, blobs, workers):
    return lambda reference, target, **options: reasons(
        model, view(*reference), view(*target), workers=workers, **options
    )


@pytest.mark.parametrize("name", sorted(DISTANCES))
def test_a_score_travels_is_higher_far_away_and_takes_any_number_of_rows(name, model, blobs, workers):
    x, y = blobs(400)
    score = DISTANCES[name](Reference.read(model, view(x, y), workers))
    found = score(x)
    assert found.shape == (400,)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(score))(x), found)
    np.testing.assert_allclose(np.concatenate([score(x[i : i + 7]) for i in range(0, 400, 7)]), found, atol=1e-4)
    assert score(x[:0]).shape == (0,)


def test_mahalanobis_is_scikit_learns_with_shrinkage(model, blobs, workers):
    x, y = blobs(300)
    means = np.array([x[y == label].mean(axis=0, dtype=np.float64) for label in range(CLASSES)])
    inside = x - means[y]
    unit = inside.std(axis=0)
    fitted = OAS(assume_centered=True).fit(inside / unit)
    expected = np.min([OAS_distance(fitted, (x - mean) / unit) for mean in means], axis=0)
    reference = Reference.read(model, view(x, y), workers)
    np.testing.assert_allclose(DISTANCES["mahalanobis"](reference)(x), expected, rtol=1e-4)
    unit = x.std(axis=0, dtype=np.float64)
    background = OAS(assume_centered=True).fit((x - x.mean(axis=0, dtype=np.float64)) / unit)
    less = OAS_distance(background, (x - x.mean(axis=0, dtype=np.float64)) / unit)
    np.testing.assert_allclose(DISTANCES["relative-mahalanobis"](reference)(x), expected - less, rtol=1e-3, atol=1e-3)


def OAS_distance(fitted, x):
    return np.einsum("nd,de,ne->n", x, fitted.precision_, x)


def test_the_neighbour_distance_is_scikit_learns(model, blobs, workers):
    x, y = blobs(500)
    fresh = blobs(90)[0]
    unit, other = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (x, fresh))
    expected = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(unit).kneighbors(other)[0][:, -1]
    score = DISTANCES["neighbour"](Reference.read(model, view(x, y), workers))
    np.testing.assert_allclose(score(fresh), expected, rtol=1e-4)


def test_energy_and_its_relations_are_their_formulas(model, blobs, workers):
    x, y = blobs(100)
    reference, logits = Reference.read(model, view(x, y), workers), model.scores(x).astype(np.float64)
    np.testing.assert_allclose(DISTANCES["energy"](reference)(x), -logsumexp(logits, axis=1))
    np.testing.assert_allclose(DISTANCES["max-logit"](reference)(x), -logits.max(axis=1))
    np.testing.assert_allclose(DISTANCES["max-probability"](reference)(x), 1 - model.probabilities(x).max(axis=1))


def test_vim_is_its_formula(model, blobs, workers):
    x, y = blobs(400)
    weight, bias = model.rule.weight.astype(np.float64), model.rule.bias.astype(np.float64)
    origin = -np.linalg.pinv(weight) @ bias
    away = x - origin
    values, axes = np.linalg.eigh(away.T @ away / len(x))
    residual = np.linalg.norm(away @ axes[:, np.argsort(values)[: DIM - DIM // 2]], axis=1)
    logits = x @ weight.T + bias
    alpha = logits.max(axis=1).sum() / residual.sum()
    found = DISTANCES["vim"](Reference.read(model, view(x, y), workers))(x)
    np.testing.assert_allclose(found, alpha * residual - logsumexp(logits, axis=1), rtol=1e-4, atol=1e-3)


def test_vim_without_a_linear_head_is_refused(model, blobs, workers):
    reference = Reference.read(model, view(*blobs(50)), workers)
    other = Reference(Classifier("x", SimpleNamespace(kind="trees")), reference.view, reference.moments, workers)
    with pytest.raises(InputError, match="vim needs a linear head"):
        DISTANCES["vim"](other)


def test_fewer_rows_than_features_and_constant_features_give_finite_distances(rng):
    x = rng.standard_normal((5, 30))
    x[:, 3] = 7
    score = Whitened.of(x[:2], np.cov(x.T, ddof=0), 5)
    assert np.isfinite(score(x)).all()
    assert (Whitened.of(np.ones((1, 4)), np.zeros((4, 4)), 1)(np.ones((2, 4))) == 0).all()


def test_a_table_row_for_every_target_row_in_the_declared_columns(table, blobs):
    reference, target = blobs(400), blobs(5000)
    found = table(reference, target)
    assert found.schema.equals(REASONS_SCHEMA)
    assert b"gapscope.thresholds" in found.schema.metadata
    np.testing.assert_array_equal(found["sample_id"].to_numpy(), np.arange(5000))
    np.testing.assert_array_equal(found["label"].to_numpy(), target[1])


def test_rows_like_the_reference_have_each_code_as_often_as_it_says(table, blobs):
    found = table(blobs(6000), blobs(6000))
    share = {code: found[code].to_numpy().astype(bool).mean() for code in CODES}
    assert share["near_boundary"] == pytest.approx(0.10, abs=0.015)
    assert share["far_from_training"] == pytest.approx(0.05, abs=0.012)
    assert share["very_far_from_training"] == pytest.approx(0.01, abs=0.006)
    assert share["likely_label_error"] <= 0.02
    assert 0 < share["ambiguous_label"] <= 0.11
    assert share["domain_direction"] == 0


def test_wrong_labels_are_found(table, blobs, model, rng):
    x, y = blobs(4000)
    sure = model.probabilities(x).max(axis=1) > 0.99
    wrong = np.flatnonzero(sure)[:200]
    labels = y.copy()
    labels[wrong] = (model.predict(x)[wrong] + 1 + rng.integers(0, CLASSES - 1, 200)) % CLASSES
    found = table(blobs(3000), (x, labels))
    flagged = found["likely_label_error"].to_numpy().astype(bool)
    assert flagged[wrong].mean() > 0.5
    assert np.isin(np.flatnonzero(flagged), wrong).mean() > 0.5
    left_out, precision = about_codes(found)
    assert 0.5 <= precision <= 1
    assert "likely_label_error" not in left_out
    np.testing.assert_array_equal(found["suggested"].to_numpy()[wrong], model.predict(x)[wrong])


def test_a_code_that_most_rows_would_have_is_left_out_and_said(table, blobs):
    domains = SimpleNamespace(reference=np.linspace(0, 0.2, 900), target=np.full(800, 0.9))
    found = table(blobs(900), blobs(800), domains=domains)
    left_out, _ = about_codes(found)
    assert left_out["domain_direction"].startswith("100.0 % of the images")
    assert not found["domain_direction"].to_numpy().any()
    assert "domain_direction" not in {share.code for share in code_shares(found)}


def test_far_rows_and_rows_along_the_domain_direction_are_found(table, blobs, rng):
    reference, (x, y) = blobs(1000), blobs(500)
    x[:50] += 25 * rng.standard_normal((50, DIM))
    domains = SimpleNamespace(reference=rng.random(1000) * 0.5, target=np.r_[np.full(30, 0.9), np.zeros(470)])
    found = table(reference, (x, y), domains=domains, distance="mahalanobis")
    assert found["very_far_from_training"].to_numpy().astype(bool)[:50].mean() > 0.9
    np.testing.assert_array_equal(found["domain_direction"].to_numpy().astype(bool), np.arange(500) < 30)


def test_confident_learning_counts_by_hand():
    found = {"label": np.array([0, 0, 1, 1, -1]), "label_probability": np.array([0.9, 0.5, 0.8, 0.6, np.nan])}
    np.testing.assert_allclose(confidences(found, 3), [0.7, 0.7, np.inf])
    probability = np.array([[0.75, 0.25, 0], [0.3, 0.7, 0], [0.5, 0.5, 0], [0, 0, 1]])
    np.testing.assert_array_equal(suggested(probability, np.array([0.7, 0.7, np.inf])), [0, 1, -1, -1])


def test_confusable_pairs_are_the_fewest_that_hold_half_of_the_errors():
    label = np.repeat([0, 1, 2, 0, 3, -1], [4, 3, 2, 20, 4, 9])
    predicted = np.repeat([1, 0, 3, 0, 0, 1], [4, 3, 2, 20, 4, 9])
    pairs = confusable(label, predicted, 4)
    assert sorted(zip(*np.nonzero(pairs), strict=True)) == [(0, 1), (1, 0)]
    assert not confusable(label[9:29], predicted[9:29], 4).any()


def test_shares_are_counts_over_the_labelled_rows(table, blobs):
    x, y = blobs(900)
    y[::3] = -1
    found = table(blobs(900), (x, y))
    wrong = (y >= 0) & (found["predicted"].to_numpy() != y)
    assert found["right"].null_count == 300
    for share in code_shares(found):
        if share.code == "none":
            continue
        carried = found[share.code].to_numpy().astype(bool)
        assert share.rows == (carried & (y >= 0)).sum()
        assert share.errors == (carried & wrong).sum()
        assert share.of_errors == pytest.approx((carried & wrong).sum() / wrong.sum())
        assert share.of_rows == pytest.approx((carried & (y >= 0)).sum() / 600)
    assert "domain_direction" not in [share.code for share in code_shares(found)]
    assert not found["likely_label_error"].to_numpy().astype(bool)[::3].any()


def test_edges_of_the_input_give_tables_and_no_warnings(table, blobs, model, workers):
    x, y = blobs(60)
    nobody = np.full(60, -1)
    assert table((x, nobody), (x, nobody)).num_rows == 60
    assert all(np.isnan(share.of_errors) for share in code_shares(table((x, nobody), (x, nobody))))
    assert table((x, y), (x[:0], y[:0])).num_rows == 0
    assert table((x[:4], y[:4]), (x[:1], y[:1])).num_rows == 1
    mute = Classifier("ridge", model.rule, probabilistic=False)
    silent = reasons(mute, view(x, y), view(x, y), workers=workers)
    assert silent["probability"].null_count == 60
    assert not silent["ambiguous_label"].to_numpy().astype(bool).any()
    lone = Classifier("one", Linear(np.ones((1, DIM), np.float32), np.zeros(1, np.float32)))
    alone = ArrayStore(x, np.zeros(60, int), ["only"], "toy/one").view()
    assert reasons(lone, alone, alone, workers=workers)["right"].to_numpy().astype(bool).all()


def test_bad_input_is_refused_by_name(table, blobs):
    x, y = blobs(60)
    with pytest.raises(InputError, match="need a reference of 4 or more"):
        table((x[:3], y[:3]), (x, y))
    with pytest.raises(InputError, match="no distance named 'knn'"):
        table((x, y), (x, y), distance="knn")
    with pytest.raises(InputError, match="59 domain scores for the 60 rows"):
        table((x, y), (x, y), domains=SimpleNamespace(reference=np.zeros(59), target=np.zeros(60)))
    x[30:, 1] = np.nan
    with pytest.raises(InputError, match="not finite"):
        table((np.roll(x, 30, axis=0), y), (x[:30], y[:30]))


def test_a_store_gives_the_paths_of_its_images(make_store, blobs, model, workers):
    x, y = blobs(300)
    store = make_store(x, y, class_names=NAMES)
    found = reasons(model, view(x, y), store.view(100, 300), workers=workers)
    assert found["path"].to_pylist() == [f"image-{row}.png" for row in range(100, 300)]


def test_a_cluster_finds_the_same_codes(table, blobs, model, cluster):
    reference, target = blobs(500), blobs(400)
    with connect(cluster) as remote:
        there = reasons(model, view(*reference), view(*target), workers=remote)
    here = table(reference, target)
    for code in CODES:
        assert there[code].equals(here[code])

"""Ridge gives scikit-learn's weights for every penalty and every class weight, from as few passes as they take."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.probes.options import ProbeOptions
from gapscope.probes.ridge import Regression, Weighed, fit
from gapscope.probes.units import scale_of
from gapscope.store import ArrayStore, View
from gapscope.stream import connect
from gapscope.summaries import LabelledMoments, WeightedMoments

ALPHAS = (0.0, 1e-3, 1.0, 30.0, 1e4)


@dataclass(frozen=True, eq=False)
class Counting:
    """A store that notes how many rows were read of it."""

    store: ArrayStore
    read_rows: list

    def __getattr__(self, name):
        return getattr(self.store, name)

    def read(self, piece, into=None):
        self.read_rows.append(piece.rows)
        return self.store.read(piece, into)

    def view(self, start=0, stop=None):
        return View(self, start, self.store.rows if stop is None else stop)


def sample(rng, classes=4, n=900, dim=9):
    y = rng.choice(classes, n, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum()).astype(np.int32)
    mixing = rng.normal(size=(dim, dim)) * np.geomspace(5, 0.05, dim)[:, None]
    return ((rng.normal(size=(classes, dim))[y] + rng.normal(size=(n, dim))) @ mixing + 20).astype(np.float32), y


@pytest.fixture(params=[2, 4])
def rows(request, rng):
    return sample(rng, request.param)


def fitted(x, y, held=200, store=None, **options):
    store = store or ArrayStore(x, y, [str(c) for c in range(int(y.max()) + 1)])
    with connect(threads=2) as workers:
        return fit(store.view(0, len(x) - held), store.view(len(x) - held), ProbeOptions(**options), workers)


def moments(x, y):
    found = LabelledMoments.of(Chunk(np.arange(len(x)), x, y), int(y.max()) + 1)
    return Weighed(found, np.ones(len(found.classes.count)), found.total.scatter)


def columns(reference):
    """Weights and intercepts by class; of two classes scikit-learn keeps the second's."""
    weight, bias = np.atleast_2d(reference.coef_), np.atleast_1d(reference.intercept_)
    return (weight, bias) if len(weight) > 1 else (np.stack([-weight[0], weight[0]]), np.array([-bias[0], bias[0]]))


def assert_close(found, reference, rtol=1e-6):
    weight, bias = columns(reference)
    np.testing.assert_allclose(found[0].T, weight, rtol=rtol, atol=rtol * np.abs(weight).max())
    np.testing.assert_allclose(found[1], bias, rtol=rtol, atol=rtol * np.abs(bias).max())


def test_the_whole_path_is_that_of_scikit_learn(rows):
    x, y = rows
    regression = Regression.of(moments(x, y))
    for alpha in ALPHAS:
        assert_close(regression.solve(alpha), RidgeClassifier(alpha=alpha).fit(x.astype(np.float64), y))


def test_the_path_on_standardised_features_is_that_of_scikit_learn_behind_a_scaler(rows):
    x, y = rows
    weighed = moments(x, y)
    scaler = StandardScaler().fit(x.astype(np.float64))
    regression = Regression.of(weighed, scale_of("standardised", weighed.moments))
    for alpha in ALPHAS:
        weight, bias = regression.solve(alpha)
        reference = RidgeClassifier(alpha=alpha).fit(scaler.transform(x.astype(np.float64)), y)
        assert_close((weight * scaler.scale_[:, None], bias + scaler.mean_ @ weight), reference)


@pytest.mark.parametrize("alpha", [0.5, 100.0])
def test_the_model_is_scikit_learns_on_all_training_rows(rows, alpha):
    x, y = rows
    probe = fitted(x, y, alpha=alpha)
    reference = RidgeClassifier(alpha=alpha).fit(x.astype(np.float64), y)
    weight, bias = columns(reference)
    np.testing.assert_allclose(probe.rule.weight, weight, rtol=1e-5, atol=1e-6 * np.abs(weight).max())
    np.testing.assert_allclose(probe.rule.bias, bias, rtol=1e-5)
    assert (probe.predict(x) == reference.predict(x)).mean() > 0.998
    assert probe.details["alpha"] == alpha
    assert probe.details["view"] == "raw"


@pytest.mark.parametrize("held", [0, 200])
def test_balanced_classes_weigh_as_in_scikit_learn(rows, held):
    x, y = rows
    probe = fitted(x, y, held=held, alpha=3.0, class_weight="balanced")
    weight, bias = columns(RidgeClassifier(alpha=3.0, class_weight="balanced").fit(x.astype(np.float64), y))
    np.testing.assert_allclose(probe.rule.weight, weight, rtol=1e-5, atol=1e-6 * np.abs(weight).max())
    np.testing.assert_allclose(probe.rule.bias, bias, rtol=1e-5, atol=1e-5)


def test_effective_numbers_weigh_as_sample_weights_do_in_scikit_learn(rng):
    x, y = sample(rng)
    probe = fitted(x, y, alpha=3.0, class_weight="effective-number")
    effective = 1 / ((1 - 0.999 ** np.bincount(y)) / 0.001)
    weights = effective * len(y) / (effective @ np.bincount(y))
    weight, _ = columns(RidgeClassifier(alpha=3.0).fit(x.astype(np.float64), y, sample_weight=weights[y]))
    np.testing.assert_allclose(probe.rule.weight, weight, rtol=1e-5, atol=1e-6 * np.abs(weight).max())


@pytest.mark.parametrize(("treatment", "passes"), [("none", 1), ("balanced", 2)])
def test_every_row_is_read_once_or_twice_whatever_is_tried(rng, treatment, passes):
    x, y = sample(rng)
    store = Counting(ArrayStore(x, y, list("abcd")), [])
    probe = fitted(x, y, store=store, class_weight=treatment, grid=True)
    assert sum(store.read_rows) == passes * len(x) + probe.details["holdout_rows"] + probe.details.get(
        "left_out_rows", 0
    )
    assert probe.details["passes"] == passes
    assert len(probe.details["settings"]) > 20
    assert {row["view"] for row in probe.details["settings"]} == {"raw", "standardised"}


def test_the_penalty_with_the_best_held_out_accuracy_is_taken(rng):
    probe = fitted(*sample(rng))
    table = probe.details["settings"]
    best = max(table, key=lambda row: (row["accuracy"], -row["log_loss"]))
    assert probe.temperature == best["temperature"]
    assert probe.probabilistic
    joined = probe.details["alpha"] / best["alpha"]
    assert joined == pytest.approx(900 / 700)  # a share of the scatter, which grew by the held-out rows


def test_without_held_out_rows_its_scores_are_no_probabilities(rng):
    x, y = sample(rng)
    probe = fitted(x, y, held=0)
    assert not probe.probabilistic
    assert probe.temperature == 1


@pytest.mark.parametrize("alpha", [-1.0, np.nan, np.inf])
def test_a_penalty_that_is_none_is_refused(rng, alpha):
    with pytest.raises(InputError, match="is no penalty"):
        fitted(*sample(rng), alpha=alpha)


def test_whitened_features_are_refused(rng):
    with pytest.raises(InputError, match="ridge has no use for view whitened"):
        fitted(*sample(rng), view="whitened")


def test_a_row_alone_is_always_given_its_class():
    x, y = np.ones((1, 3), np.float32), np.array([1], np.int32)
    probe = fitted(x, y, held=0)
    assert (probe.predict(np.eye(3, dtype=np.float32)) == 1).all()


def test_constant_features_carry_no_weight(rng):
    x, y = sample(rng)
    wide = np.column_stack([x, np.full(len(x), 3.3, np.float32)])
    weighed = moments(wide, y)
    weight, _ = Regression.of(weighed, scale_of("standardised", weighed.moments)).solve(1.0)
    assert (weight[-1] == 0).all()


@given(cut=st.integers(0, 50), seed=st.integers(0, 5))
def test_weighted_moments_merge_into_those_of_the_union(cut, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(50, 3)) + 100, rng.integers(-1, 3, 50)
    weights = np.array([0.5, 2.0, 3.0])
    chunk = Chunk(np.arange(50), x, y)
    merged = WeightedMoments.of(chunk.rows(0, cut), weights).merge(WeightedMoments.of(chunk.rows(cut, 50), weights))
    kept, w = x[y >= 0], weights[y[y >= 0]]
    mean = np.average(kept, axis=0, weights=w)
    np.testing.assert_allclose(merged.weight, w.sum())
    np.testing.assert_allclose(merged.mean, mean)
    np.testing.assert_allclose(merged.scatter, ((kept - mean) * w[:, None]).T @ (kept - mean), atol=1e-9)


def test_held_out_rows_that_are_a_chunk_choose_but_do_not_join(rng):
    x, y = sample(rng)
    store = ArrayStore(x, y, list("abcd"))
    with connect(threads=1) as workers:
        probe = fit(store.view(0, 700), store.view(700).read(), ProbeOptions(), workers)
    assert probe.details["rows"] == 700
    assert probe.details["holdout_rows"] == 200

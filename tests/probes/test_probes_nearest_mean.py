"""The nearest mean is scikit-learn's on features as they are, and by the distance that was asked for on others."""

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler

from gapscope.core.errors import InputError
from gapscope.probes.nearest_mean import fit
from gapscope.probes.options import ProbeOptions
from gapscope.store import ArrayStore
from gapscope.stream import connect


@pytest.fixture
def rows(rng):
    y = rng.choice(4, 900, p=[0.1, 0.2, 0.3, 0.4]).astype(np.int32)
    mixing = rng.normal(size=(9, 9)) * np.geomspace(5, 0.05, 9)[:, None]
    return ((rng.normal(size=(4, 9))[y] + rng.normal(size=(900, 9))) @ mixing + 20).astype(np.float32), y


def fitted(x, y, held=200, **options):
    store = ArrayStore(x, y, list("abcd"))
    with connect(threads=2) as workers:
        return fit(store.view(0, len(x) - held), store.view(len(x) - held), ProbeOptions(**options), workers)


def test_its_answers_are_scikit_learns(rows):
    x, y = rows
    reference = NearestCentroid().fit(x.astype(np.float64), y)
    np.testing.assert_array_equal(fitted(x, y).predict(x), reference.predict(x.astype(np.float64)))


def test_differences_of_scores_are_half_differences_of_squared_distances(rows):
    x, y = rows
    scores = fitted(x, y).scores(x)
    means = np.stack([x[y == c].mean(axis=0, dtype=np.float64) for c in range(4)])
    expected = -0.5 * np.square(x[:, None] - means).sum(axis=2)
    np.testing.assert_allclose(scores - scores[:, :1], expected - expected[:, :1], rtol=1e-3, atol=0.02)


def test_standardised_it_is_scikit_learns_behind_a_scaler(rows):
    x, y = rows
    z = StandardScaler().fit_transform(x.astype(np.float64))
    probe = fitted(x, y, view="standardised")
    np.testing.assert_array_equal(probe.predict(x), NearestCentroid().fit(z, y).predict(z))
    assert probe.details["view"] == "standardised"


def test_whitened_it_measures_mahalanobis_distances(rows):
    x, y = rows
    means = np.stack([x[y == c].mean(axis=0, dtype=np.float64) for c in range(4)])
    centred = x - means[y]
    precision = np.linalg.inv(centred.T @ centred / len(x))
    offset = x[:, None] - means
    distance = np.einsum("ncd,de,nce->nc", offset, precision, offset)
    np.testing.assert_array_equal(fitted(x, y, view="whitened").predict(x), distance.argmin(axis=1))


def test_held_out_rows_choose_a_temperature_and_join(rows):
    probe = fitted(*rows)
    assert probe.details["rows"] == 900
    assert probe.details["holdout_rows"] == 200
    assert probe.details["settings"][0]["temperature"] == probe.temperature != 1
    assert probe.probabilistic
    assert sum(probe.details["class_rows"]) == 900


def test_without_held_out_rows_its_scores_are_no_probabilities(rows):
    probe = fitted(*rows, held=0)
    assert not probe.probabilistic
    assert probe.temperature == 1


@pytest.mark.parametrize("view", ["raw", "standardised", "whitened"])
def test_a_feature_that_is_not_finite_is_refused(rows, view):
    x, y = rows
    x[17, 3] = np.inf
    with np.errstate(all="ignore"), pytest.raises(InputError, match="feature 3 of arrays has NaN or infinite values"):
        fitted(x, y, view=view)


@pytest.mark.parametrize("view", ["raw", "standardised", "whitened"])
def test_a_row_alone_is_always_given_its_class(view):
    probe = fitted(np.ones((1, 3), np.float32), np.array([2], np.int32), held=0, view=view)
    assert (probe.predict(np.eye(3, dtype=np.float32)) == 2).all()

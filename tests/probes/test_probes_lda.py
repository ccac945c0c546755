"""LDA gives scikit-learn's coefficients for the same shrinkage, in one pass."""

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from gapscope.core.errors import InputError
from gapscope.probes.lda import fit
from gapscope.probes.options import ProbeOptions
from gapscope.store import ArrayStore
from gapscope.stream import connect


def fitted(store, **options):
    with connect(threads=2) as workers:
        return fit(store.view(0, 700), store.view(700), ProbeOptions(**options), workers)


def relative(scores):
    """Scores up to what is common to all classes of a row, which decides nothing."""
    return scores - scores.mean(axis=1, keepdims=True)


@pytest.fixture
def rows(rng):
    y = rng.choice(4, 900, p=[0.1, 0.2, 0.3, 0.4]).astype(np.int32)
    mixing = rng.normal(size=(9, 9)) * np.geomspace(5, 0.05, 9)[:, None]
    return ((rng.normal(size=(4, 9))[y] + rng.normal(size=(900, 9))) @ mixing + 20).astype(np.float32), y


@pytest.mark.parametrize("shrinkage", [0.0, 0.02, 0.5, 1.0])
def test_coefficients_are_those_of_scikit_learn_on_all_training_rows_once_the_shrinkage_is_chosen(
    make_store, rows, shrinkage
):
    x, y = rows
    probe = fitted(make_store(x, y), shrinkage=shrinkage)
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x.astype(np.float64), y)
    expected = relative(reference.decision_function(x.astype(np.float64)))
    np.testing.assert_allclose(relative(probe.scores(x)), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert probe.details["shrinkage"] == shrinkage
    assert probe.details["passes"] == 1


def test_without_a_shrinkage_the_held_out_rows_choose_one(make_store, rows):
    table = fitted(make_store(*rows)).details
    best = min(table["settings"], key=lambda row: row["log_loss"])
    assert table["shrinkage"] == best["shrinkage"]
    assert len(table["settings"]) > 5
    assert sum(table["class_rows"]) == table["rows"] == 900


def test_a_shrinkage_above_one_is_refused(make_store, rows):
    with pytest.raises(InputError, match=r"shrinkage 1\.5 is outside 0…1"):
        fitted(make_store(*rows), shrinkage=1.5)


@pytest.mark.parametrize("shrinkage", ["much", "ledoit", ""])
def test_a_shrinkage_that_is_no_number_is_refused(make_store, rows, shrinkage):
    with pytest.raises(InputError, match=r"is neither a number from 0 to 1 nor ledoit-wolf"):
        fitted(make_store(*rows), shrinkage=shrinkage)


def test_a_shrinkage_may_be_written_as_text(make_store, rows):
    store = make_store(*rows)
    np.testing.assert_array_equal(
        fitted(store, shrinkage="0.25").rule.weight, fitted(store, shrinkage=0.25).rule.weight
    )


def standardised(x, y):
    """Rows around their class means, in pooled deviations, and these deviations."""
    centred = x.astype(np.float64) - np.stack([x[y == c].mean(axis=0, dtype=np.float64) for c in range(4)])[y]
    return centred / centred.std(axis=0), centred.std(axis=0)


@pytest.mark.parametrize("n", [8, 30, 700])
def test_ledoit_wolf_is_scikit_learns_on_class_centred_standardised_rows(rows, n):
    x, y = rows[0][:n], np.arange(n, dtype=np.int32) % 4
    store = ArrayStore(x, y, list("abcd"))
    with connect(threads=2) as workers:
        probe = fit(store.view(), store.view(n), ProbeOptions(shrinkage="ledoit-wolf"), workers)
    _, expected = ledoit_wolf(standardised(x, y)[0])
    assert probe.details["shrinkage"] == pytest.approx(expected, rel=1e-6)
    assert probe.details["passes"] == 2


def test_with_ledoit_wolf_the_scores_are_those_of_that_covariance(make_store, rows):
    x, y = rows
    with connect(threads=2) as workers:
        store = make_store(x, y)
        probe = fit(store.view(), store.view(900), ProbeOptions(shrinkage="ledoit-wolf"), workers)
    z, scale = standardised(x, y)
    covariance = ledoit_wolf(z)[0] * np.outer(scale, scale)
    means = np.stack([x[y == c].mean(axis=0, dtype=np.float64) for c in range(4)])
    weight = np.linalg.solve(covariance, means.T)
    expected = x @ weight - 0.5 * np.einsum("cd,dc->c", means, weight) + np.log(np.bincount(y) / 900)
    np.testing.assert_allclose(
        relative(probe.scores(x)), relative(expected), rtol=1e-3, atol=1e-3 * np.abs(relative(expected)).max()
    )


def test_a_grid_tries_both_units_and_ledoit_wolf(make_store, rows):
    table = fitted(make_store(*rows), grid=True).details
    assert {row["view"] for row in table["settings"]} == {"raw", "standardised", "ledoit-wolf"}
    assert table["passes"] == 2


def test_standardised_features_make_the_units_irrelevant(make_store, rows):
    x, y = rows
    scale = np.geomspace(1e-2, 1e2, 9).astype(np.float32)
    one, other = (
        fitted(ArrayStore(rows, y, list("abcd")), view="standardised", shrinkage=0.3) for rows in (x, x * scale)
    )
    np.testing.assert_allclose(relative(other.scores(x * scale)), relative(one.scores(x)), rtol=1e-3, atol=1e-2)

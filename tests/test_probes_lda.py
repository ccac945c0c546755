"""LDA gives scikit-learn's coefficients for the same shrinkage, in one pass."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from engine.core.errors import InputError
from engine.probes.lda import fit
from engine.probes.options import ProbeOptions
from engine.stream import connect


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
    best = min(table["holdout"], key=lambda row: row["log_loss"])
    assert table["shrinkage"] == best["shrinkage"]
    assert len(table["holdout"]) > 5


def test_a_shrinkage_above_one_is_refused(make_store, rows):
    with pytest.raises(InputError, match=r"shrinkage 1\.5 is outside 0…1"):
        fitted(make_store(*rows), shrinkage=1.5)

"""Ridge on target labels is scikit-learn's, its penalty is that of rows left out, and no other beats the bound."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeClassifierCV
from sklearn.model_selection import cross_val_predict

from gapscope.gaps import target_ridge
from gapscope.gaps.target_ridge import Principal, TargetRidge, rows_for
from gapscope.gaps.trials import try_remedies
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.store import ArrayStore
from gapscope.stream import connect


def classes_of(rng, rows, dim, classes=4, apart=0.5):
    y = rng.integers(0, classes, rows)
    centres = np.random.default_rng(5).standard_normal((classes, dim))
    return apart * centres[y] + rng.standard_normal((rows, dim)), y


@pytest.mark.parametrize("share", [0.3, 1e-4])
@pytest.mark.parametrize(("rows", "dim"), [(60, 20), (30, 80)])
def test_is_scikit_learns_ridge_with_one_penalty(rng, monkeypatch, rows, dim, share):
    x, y = classes_of(rng, rows, dim)
    x[:, 3] = 7.0
    monkeypatch.setattr(target_ridge, "PENALTIES", np.array([share]))
    found = TargetRidge.fit(Principal.of(x), y, 4)
    z = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    values = np.linalg.svd(z, compute_uv=False) ** 2
    penalty = share * values[values > 1e-9 * values.max()].mean()
    known = Ridge(alpha=penalty).fit(z, np.eye(4)[y])
    np.testing.assert_allclose(found.scores(x), known.predict(z), atol=1e-8)
    left_out = [
        Ridge(alpha=penalty).fit(np.delete(z, i, 0), np.delete(np.eye(4)[y], i, 0)).predict(z[i : i + 1]).argmax()
        == y[i]
        for i in range(rows)
    ]
    assert found.hits == pytest.approx(np.mean(left_out))


def test_labels_that_say_nothing_of_the_features_leave_the_model_as_it_is(rng):
    x, y = rng.standard_normal((200, 30)), rng.integers(0, 4, 200)
    start = np.eye(4)[np.where(rng.random(200) < 0.8, y, (y + 1) % 4)]
    found = TargetRidge.fit(Principal.of(x), y, 4, start)
    assert (found.scores(x, start).argmax(axis=1) == start.argmax(axis=1)).mean() > 0.95


def test_rows_are_bounded():
    assert rows_for(4096, 10) == 2048
    assert rows_for(1280, 10) > 20_000
    assert rows_for(1280, 1000) * 1280 * 1000 <= 5 * 10**9


@pytest.mark.parametrize("rows", [120, 600])
def test_no_plain_ridge_on_the_targets_labels_beats_the_bound(rng, rows):
    """A model that knows nothing of the target, whose classes stand elsewhere."""
    dim = 200
    x, y = classes_of(rng, rows, dim, apart=0.35)
    order = rng.permutation(rows)
    x, y = x[order].astype(np.float32), y[order]
    rule = Linear(rng.standard_normal((4, dim)).astype(np.float32) / 10, np.zeros(4, np.float32))
    model = Classifier("lda", rule, class_names=("a", "b", "c", "d"))
    views = [ArrayStore(one, label, ["a", "b", "c", "d"]).view() for one, label in ((x[:60], y[:60]), (x, y))]
    with connect(threads=1) as workers:
        found = {one.name: one for one in try_remedies(model, *views, workers=workers, replicates=20, names=("mean",))}
    plain = cross_val_predict(RidgeClassifierCV(np.geomspace(1, 1e5, 11)), x, y, cv=5)
    assert found["oracle"].accuracy_after > (plain == y).mean() - 2 / np.sqrt(rows)
    assert "the best of 3 heads" in found["oracle"].note

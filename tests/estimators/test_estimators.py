"""The estimators against scikit-learn's contract, and against themselves in other clothes."""

import doctest
import pickle
import tempfile
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.utils.estimator_checks import parametrize_with_checks

import gapscope.estimators as estimators
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.estimators.rows import shuffled
from gapscope.probes.model import load_model

ROOT = Path(__file__).parents[2]
ALL = [getattr(estimators, name) for name in estimators.__all__]
MERGING = [one for one in ALL if hasattr(one, "partial_fit")]
N, D, K = 900, 6, 3
# Few trees do, and checks of a few rows gain nothing from threads.
SMALL = {estimators.ForestClassifier: {"n_estimators": 8}}


def small(one):
    return one(n_jobs=1, **SMALL.get(one, {}))


def rows_of(seed=0, n=N, classes=K):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    return 2.5 * np.eye(classes, D)[y] + rng.normal(size=(n, D)), y


def expected_failures(estimator):
    failures = {"check_methods_subset_invariance": "scores are float32: a row alone may differ in the last digit"}
    if "class_weight" in estimator.get_params():
        failures["check_class_weight_classifiers"] = "weights of classes are named, not given one by one"
    return failures


@parametrize_with_checks([small(one) for one in ALL], expected_failed_checks=expected_failures, xfail_strict=False)
def test_it_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(params=ALL, ids=lambda one: one.__name__)
def estimator(request):
    return small(request.param)


@pytest.fixture(params=MERGING, ids=lambda one: one.__name__)
def merging(request):
    return request.param(holdout=0)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, which is this test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_names_of_classes_come_back(estimator, tmp_path):
    x, y = rows_of()
    names = np.array(["cat", "dog", "ape"])[y]
    model = estimator.fit(x, names)
    assert model.score(x, names) > 0.85
    np.testing.assert_array_equal(model.classes_, ["ape", "cat", "dog"])
    model.save(tmp_path)
    again = load_model(Location(str(tmp_path)))
    assert again.class_names == ("ape", "cat", "dog")
    np.testing.assert_array_equal(again.predict(x), np.searchsorted(model.classes_, model.predict(x)))


def test_a_frame_is_an_array_with_names(estimator):
    x, y = rows_of()
    frame = pd.DataFrame(x, columns=[f"feature {index}" for index in range(D)])
    model = clone(estimator).fit(frame, pd.Series(y))
    np.testing.assert_array_equal(model.predict(frame), estimator.fit(x, y).predict(x))
    assert list(model.feature_names_in_) == list(frame.columns)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_dask_array_gives_the_same_model_and_lazy_answers(estimator, temporary, classes):
    x, y = rows_of(classes=classes)
    lazy = da.from_array(x, chunks=(250, 4))
    one, other = clone(estimator).fit(x, y), estimator.fit(lazy, da.from_array(y, chunks=400))
    assert list(temporary.iterdir()) == []
    for answer in ("predict", "predict_proba", "decision_function"):
        found = getattr(other, answer)(lazy)
        assert isinstance(found, da.Array)
        expected = getattr(one, answer)(x)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-4, atol=1e-4)
    assert other.score(lazy, y) == one.score(x, y)


def test_a_dask_array_of_unknown_length_is_measured(temporary):
    x, y = rows_of()
    lazy = da.from_array(x, chunks=(250, D))
    some = lazy[lazy[:, 0] > -1]
    model = estimators.DiscriminantClassifier().fit(some, y[x[:, 0] > -1])
    assert len(model.predict(some).compute()) == (x[:, 0] > -1).sum()


def test_a_store_brings_its_labels(estimator, make_store):
    x, y = rows_of()
    store = make_store(x.astype(np.float32), y)
    model = estimator.fit(store)
    assert model.score(store) > 0.85
    assert model.score(store) == model.score(x.astype(np.float32), y)
    assert model.model_.class_names == ("class 0", "class 1", "class 2")
    np.testing.assert_array_equal(model.predict(store.view(100, 200)), model.predict(store)[100:200])


def test_the_workers_of_a_cluster_read_a_store(make_store, cluster):
    x, y = rows_of()
    store = make_store(x.astype(np.float32), y)
    here = estimators.DiscriminantClassifier().fit(store)
    there = estimators.DiscriminantClassifier(scheduler=cluster).fit(store)
    np.testing.assert_allclose(there.predict_proba(store), here.predict_proba(store), atol=1e-6)
    with pytest.raises(InputError, match="cannot read an array of this process"):
        clone(there).fit(x, y)


def test_probabilities_are_the_softmax_of_the_decisions(estimator):
    x, y = rows_of()
    model = estimator.fit(x, y)
    scores = np.exp(model.decision_function(x))
    np.testing.assert_allclose(model.predict_proba(x), scores / scores.sum(axis=1, keepdims=True), rtol=1e-9)


def test_a_pickled_estimator_answers_the_same(estimator):
    x, y = rows_of()
    model = estimator.fit(x, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).decision_function(x), model.decision_function(x))


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_rows_bit_by_bit_give_the_model_of_all_rows(merging, parts):
    x, y = rows_of()
    order = np.argsort(y, kind="stable")  # so that the first parts lack classes
    whole = clone(merging).fit(x, y)
    for some in np.array_split(order, parts):
        merging.partial_fit(x[some], y[some], classes=np.arange(K))
    np.testing.assert_allclose(merging.decision_function(x), whole.decision_function(x), rtol=1e-4, atol=1e-4)
    assert merging.model_.details["rows"] == N


@pytest.mark.parametrize("view", ["raw", "standardised", "normalised"])
def test_rows_bit_by_bit_are_seen_as_all_rows_are(merging, view):
    x, y = rows_of()
    merging.set_params(view=view)
    whole = clone(merging).fit(x, y)
    for some in np.array_split(np.arange(N), 3):
        merging.partial_fit(x[some], y[some], classes=np.arange(K))
    np.testing.assert_allclose(merging.decision_function(x), whole.decision_function(x), rtol=1e-3, atol=1e-3)


def test_stores_one_after_the_other_are_one_training_set(merging, make_store, tmp_path):
    x, y = rows_of()
    x = x.astype(np.float32)
    stores = [make_store(x[some], y[some], folder=tmp_path / str(some.start)) for some in (np.s_[:400], np.s_[400:])]
    for store in stores:
        merging.partial_fit(store)
    whole = clone(merging).fit(x, y)
    np.testing.assert_array_equal(merging.predict(x), whole.predict(x))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (estimators.RidgeProbeClassifier(alpha=3.0), RidgeClassifier(alpha=3.0)),
        (
            estimators.DiscriminantClassifier(shrinkage=0.1),
            LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1),
        ),
        (estimators.NearestMeanClassifier(), NearestCentroid()),
    ],
    ids=["ridge", "discriminant", "nearest mean"],
)
def test_it_answers_as_scikit_learn_does(ours, theirs):
    x, y = rows_of()
    new, _ = rows_of(seed=1)
    assert (ours.fit(x, y).predict(new) == theirs.fit(x.astype(np.float32), y).predict(new)).mean() > 0.998


def test_every_class_is_trained_on_however_few_its_rows_are():
    for seed in range(50):
        y = np.concatenate([np.zeros(30, int), np.arange(8)])
        order, kept = shuffled(y, 8, 0.5, seed)
        assert sorted(order) == list(range(38))
        assert kept == 19
        assert set(y[order[:kept]]) == set(range(8))
    order, kept = shuffled(np.arange(5), 5, 0.9, 0)
    assert kept == 5


def test_the_seed_decides_the_order_and_none_is_a_new_one():
    x, y = rows_of(n=300)
    one, same, other = (estimators.SoftmaxClassifier(random_state=seed).fit(x, y) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.decision_function(x), same.decision_function(x))
    assert (one.decision_function(x) != other.decision_function(x)).any()
    assert estimators.SoftmaxClassifier(random_state=None).fit(x, y).score(x, y) > 0.85


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda x, y, m: m.set_params(holdout=1.0).fit(x, y), "holdout is 1.0"),
        (lambda x, y, m: m.fit(da.from_array(np.where(x > 3, np.nan, x)), y), "NaN or infinite values in rows 0 to"),
        (lambda x, y, m: m.fit(da.zeros(5), y), "1 dimensions of float64"),
        (lambda x, y, m: m.fit(da.from_array(x), y[1:]), "900 rows and y has 899 labels"),
        (lambda x, y, m: m.fit(x, y).predict(da.from_array(x[:, 1:])), "5 features, but .* was fitted on 6"),
        (lambda x, y, m: m.set_params(class_weight="balanced").partial_fit(x, y, [0, 1, 2]), "needs all rows at once"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(act, message, temporary):
    with pytest.raises(InputError, match=message):
        act(*rows_of(), estimators.RidgeProbeClassifier())
    assert list(temporary.iterdir()) == []


def test_labels_that_nobody_announced_are_refused():
    x, y = rows_of()
    model = estimators.RidgeProbeClassifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(x, y)
    with pytest.raises(ValueError, match="not one of the classes of the first call"):
        model.partial_fit(x, y, classes=[0, 1])
    with pytest.raises(InputError, match="ledoit-wolf needs all rows at once"):
        estimators.DiscriminantClassifier(shrinkage="ledoit-wolf").partial_fit(x, y, classes=[0, 1, 2])


def test_a_store_with_further_labels_is_refused(make_store):
    x, y = rows_of()
    with pytest.raises(InputError, match="has its own labels; leave y away"):
        estimators.NearestMeanClassifier().fit(make_store(x.astype(np.float32), y), y)


def test_the_examples_of_the_page_work(temporary, tmp_path):
    workspace = {"WORKSPACE": str(tmp_path)}
    assert doctest.testfile(str(ROOT / "docs" / "python.md"), module_relative=False, globs=workspace).failed == 0

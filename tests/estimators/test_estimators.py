"""The estimators against scikit-learn's contract, and against themselves in other clothes."""

import doctest
import pickle
import tempfile
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array, csc_matrix, csr_array, random_array
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    check_sample_weight_equivalence_on_sparse_data,
    estimator_checks_generator,
)
from sklearn.utils.validation import has_fit_parameter

import gapscope.estimators as estimators
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.estimators.rows import shuffled
from gapscope.probes.model import load_model
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.store import ArrayStore, Changed, View, Weighted
from gapscope.store.selected import Selected
from gapscope.store.stacked import stacked
from gapscope.stream import connect

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


def does_not_hold(estimator, check):
    """Whether a check asks for what an estimator does not promise, and the tests below for what it does."""
    exact = (estimators.ForestClassifier, estimators.NearestMeanClassifier, estimators.NeighboursClassifier)
    if check == "check_methods_subset_invariance":  # scores are float32: a row alone may differ in the last digit
        return not isinstance(estimator, exact)
    # Held-out rows are drawn at random, and a row of weight two is one of them where its two copies are not.
    return check.startswith("check_sample_weight_equivalence")


def checks():
    """Every estimator with each of scikit-learn's checks that it promises to pass."""
    for estimator in map(small, ALL):
        for one, check in estimator_checks_generator(estimator):
            name = getattr(check, "func", check).__name__
            if not does_not_hold(estimator, name):
                yield pytest.param(one, check, id=f"{type(estimator).__name__}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_it_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.__name__)
def test_a_row_alone_has_the_scores_that_it_has_among_others(one):
    x, y = rows_of()
    model = small(one).fit(x, y)
    scores = getattr(model, "predict_proba", None) or model.decision_function
    alone = np.concatenate([scores(row[None]) for row in x[:20]])
    np.testing.assert_allclose(alone, scores(x[:20]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "check", [check_sample_weight_equivalence_on_dense_data, check_sample_weight_equivalence_on_sparse_data]
)
@pytest.mark.parametrize(
    "one",
    [
        estimators.RidgeProbeClassifier(alpha=1.0, holdout=0),
        estimators.DiscriminantClassifier(shrinkage=0.1, holdout=0),
        estimators.NearestMeanClassifier(holdout=0),
        estimators.LogisticClassifier(C=1.0, holdout=0),
    ],
    ids=lambda one: type(one).__name__,
)
def test_without_held_out_rows_a_weight_of_two_is_two_rows_as_scikit_learn_checks_it(one, check):
    check(type(one).__name__, clone(one).set_params(n_jobs=1))


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


@pytest.mark.parametrize("form", [csr_array, csc_matrix, coo_array])
def test_a_sparse_matrix_gives_the_model_of_its_dense_rows(estimator, form):
    x, y = rows_of()
    x = np.where(np.abs(x) > 1, x, 0).astype(np.float32)
    dense, sparse = clone(estimator).fit(x, y), estimator.fit(form(x), y)
    np.testing.assert_array_equal(sparse.decision_function(form(x)), dense.decision_function(x))
    assert sparse.score(form(x), y) == dense.score(x, y)


def test_rows_of_a_sparse_matrix_are_dense_a_run_at_a_time():
    matrix = random_array((100_000, 5000), density=1e-5, format="csr", dtype=np.float32, rng=0)
    y = np.arange(100_000) % 2
    tracemalloc.start()
    estimators.NearestMeanClassifier(n_jobs=1).fit(matrix, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < matrix.shape[0] * matrix.shape[1] * 4 / 3


@dataclass(frozen=True)
class Foreign:
    """Rows that somebody else reads, which know nothing of ours but the protocol."""

    x: np.ndarray
    y: np.ndarray
    name = "foreign"
    class_names = ("a", "b", "c")
    unseen = None

    @property
    def rows(self):
        return len(self.x)

    @property
    def dim(self):
        return self.x.shape[1]

    def read(self, piece, into=None):
        run = slice(piece.start, piece.stop)
        return Chunk(np.arange(piece.start, piece.stop), self.x[run], self.y[run])

    def view(self, start=0, stop=None):
        return View(self, start, self.rows if stop is None else stop)


@pytest.mark.parametrize("form", ["foreign", "stacked", "selected", "changed"])
def test_whatever_is_read_as_rows_is_fitted_like_a_store(estimator, form, make_store):
    x, y = rows_of()
    x, y = x.astype(np.float32), y.astype(np.int32)
    store = make_store(x, y)
    rows = {
        "foreign": lambda: Foreign(x, y),
        "stacked": lambda: stacked([store.view(0, 300), store.view(300)]),
        "selected": lambda: Selected(store, np.packbits(np.ones(N, bool)).tobytes(), N, "all"),
        "changed": lambda: Changed(store, np.asarray),
    }[form]()
    whole = clone(estimator).fit(store)
    found = estimator.fit(rows)
    np.testing.assert_array_equal(found.predict(rows), whole.predict(store))
    assert found.score(rows) == whole.score(store)


def test_weights_that_rows_bring_along_count_as_those_of_fit(make_store):
    x, y, weight = weighted_rows()
    store, per_class = make_store(x, y), np.array([1.0, 3.0, 0.5])
    for one in (estimators.LogisticClassifier(C=0.3, holdout=0), estimators.RidgeProbeClassifier(alpha=2.0, holdout=0)):
        brought = clone(one).fit(Weighted(store, per_class, weight))
        given = clone(one).set_params(class_weight=dict(enumerate(per_class))).fit(store, sample_weight=weight)
        np.testing.assert_array_equal(brought.decision_function(x), given.decision_function(x))
        twice = clone(one).fit(Weighted(store, per_class, None), sample_weight=weight)
        np.testing.assert_array_equal(twice.decision_function(x), given.decision_function(x))


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


def weighted_rows(classes=K):
    """Rows, labels, and weights of which some are nought."""
    x, y = rows_of(classes=classes)
    weight = np.random.default_rng(1).gamma(1.0, 2.0, len(y))
    weight[:50] = 0
    return x.astype(np.float32), y, weight


def columns(decisions):
    """Scores less what is common to all classes of a row."""
    scores = np.stack([-decisions / 2, decisions / 2], axis=1) if decisions.ndim == 1 else decisions
    return scores - scores.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 0.5, 1: 4}])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (estimators.LogisticClassifier(C=0.3, view="raw"), LogisticRegression(C=0.3, tol=1e-12, max_iter=10_000)),
        (estimators.RidgeProbeClassifier(alpha=30.0), RidgeClassifier(alpha=30.0)),
    ],
    ids=["logistic", "ridge"],
)
def test_weights_of_rows_and_labels_mean_what_they_do_in_scikit_learn(ours, theirs, classes, class_weight):
    x, y, weight = weighted_rows(classes)
    ours = clone(ours).set_params(class_weight=class_weight).fit(x, y, sample_weight=weight)
    if class_weight == "balanced":  # of which scikit-learn's ridge leaves the weights of rows out
        given = compute_class_weight("balanced", classes=np.arange(classes), y=y, sample_weight=weight)
        class_weight = dict(enumerate(given))
    theirs = clone(theirs).set_params(class_weight=class_weight).fit(x.astype(np.float64), y, sample_weight=weight)
    found = columns(ours.decision_function(x) * ours.model_.temperature)
    one_column = classes == 2 and isinstance(theirs, RidgeClassifier)  # of which ours has both
    np.testing.assert_allclose(found / (1 + one_column), columns(theirs.decision_function(x)), atol=2e-5)


@pytest.mark.parametrize("one", [one for one in ALL if one is not estimators.NeighboursClassifier])
def test_a_row_of_weight_three_counts_as_three_rows(one):
    x, y = rows_of()
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    options = {"C": 0.1} if hasattr(one(), "C") else {}
    whole = one(holdout=0, **options).fit(np.repeat(x, weight, axis=0), np.repeat(y, weight))
    found = one(holdout=0, **options).fit(x, y, sample_weight=weight)
    if one is estimators.ForestClassifier:  # each tree draws its own rows
        assert (found.predict(x) == whole.predict(x)).mean() > 0.93
    else:
        np.testing.assert_allclose(found.decision_function(x), whole.decision_function(x), rtol=1e-4, atol=1e-4)


def test_a_descent_follows_the_weights_of_rows():
    x, y, weight = weighted_rows()
    descent = estimators.SoftmaxClassifier(C=1e-3, epochs=20, batch_rows=64)
    optimum = estimators.LogisticClassifier(C=1.0).fit(x, y, sample_weight=weight)
    found = clone(descent).fit(x, y, sample_weight=1000 * weight)
    plain = clone(descent).set_params(C=1.0).fit(x, y)
    assert found.model_.details["chosen"] == "descent"
    far, near = (np.abs(columns(one.model_.scores(x)) - columns(optimum.model_.scores(x))) for one in (plain, found))
    assert near.mean() < far.mean() / 4


def test_a_forest_follows_the_weights_of_rows():
    x, y = rows_of(classes=2)
    upside_down = np.concatenate([y, 1 - y])
    weight = np.repeat([1.0, 1e-9], len(y))
    model = estimators.ForestClassifier(n_estimators=20).fit(np.concatenate([x, x]), upside_down, sample_weight=weight)
    assert (model.predict(x) == y).mean() > 0.9


def test_weighted_rows_bit_by_bit_give_the_model_of_all_rows(merging):
    x, y, weight = weighted_rows()
    whole = clone(merging).fit(x, y, sample_weight=weight)
    for some in np.array_split(np.arange(N), 3):
        merging.partial_fit(x[some], y[some], classes=np.arange(K), sample_weight=weight[some])
    np.testing.assert_allclose(merging.decision_function(x), whole.decision_function(x), rtol=1e-3, atol=1e-3)


def test_rows_of_a_store_and_of_a_dask_array_are_weighed_too(make_store, temporary):
    x, y, weight = weighted_rows()
    store, options = make_store(x, y), {"alpha": 5.0, "class_weight": {0: 0.2, 2: 3.0}, "holdout": 0}
    here = estimators.RidgeProbeClassifier(**options).fit(x, y, sample_weight=weight)
    for model, rows in (
        (estimators.RidgeProbeClassifier(**options).fit(store, sample_weight=weight), x),
        (estimators.RidgeProbeClassifier(**options).fit(da.from_array(x), y, sample_weight=da.from_array(weight)), x),
    ):
        np.testing.assert_allclose(model.decision_function(rows), here.decision_function(rows), atol=1e-4)
    part = estimators.RidgeProbeClassifier(**options).fit(store.view(100, 600), sample_weight=weight[100:600])
    mine = estimators.RidgeProbeClassifier(**options).fit(x[100:600], y[100:600], sample_weight=weight[100:600])
    np.testing.assert_allclose(part.decision_function(x), mine.decision_function(x), atol=1e-4)


def test_a_label_whose_rows_all_weigh_nothing_is_never_predicted():
    x, y = rows_of()
    for one in (estimators.LogisticClassifier(), estimators.ForestClassifier(n_estimators=8)):
        model = one.set_params(class_weight={1: 0}).fit(x, y)
        assert set(model.predict(x)) == {0, 2}
        assert np.isfinite(model.predict_proba(x)).all()


@pytest.mark.parametrize(
    ("class_weight", "sample_weight", "message"),
    [
        ({0: -1}, None, "class_weight of class 0 is -1"),
        ({"cat": 2}, None, "not in class_weight"),
        (None, -np.ones(N), "Negative values"),
        (None, np.ones(N - 1), "inconsistent|shape"),
        (None, np.zeros(N), "weight"),
    ],
)
def test_weights_without_a_meaning_are_refused(class_weight, sample_weight, message):
    with pytest.raises((InputError, ValueError), match=message):
        estimators.LogisticClassifier(class_weight=class_weight).fit(*rows_of(), sample_weight=sample_weight)


def test_probes_that_weigh_no_rows_say_so():
    assert not has_fit_parameter(estimators.NeighboursClassifier(), "sample_weight")
    view = Weighted(ArrayStore(*rows_of(), ["a", "b", "c"]), np.ones(3)).view()
    with connect(threads=1) as workers, pytest.raises(InputError, match="knn takes no weights of rows"):
        train("knn", *view.held_out(90), ProbeOptions(), workers)


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


def test_the_examples_of_the_page_work(temporary, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.testfile(str(ROOT / "docs" / "python.md"), module_relative=False).failed == 0

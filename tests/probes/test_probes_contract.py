"""What every probe must do, whichever it is."""

from functools import partial

import numpy as np
import pytest
from conftest import write_store
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gapscope.core.checkpoint import NO_CHECKPOINT, FolderCheckpoint
from gapscope.core.errors import GapscopeError, InputError, SchemaError
from gapscope.core.location import Location
from gapscope.probes import PROBES
from gapscope.probes.model import load_model
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.linear import Linear
from gapscope.probes.train import train
from gapscope.stream import connect

N, D, K = 1600, 12, 5
HELD = 300


@pytest.fixture(params=sorted(PROBES))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def known():
    """Models by what they were trained on, as several tests train the same."""
    return {}


@pytest.fixture
def fit(tmp_path, name, known):
    def fit(x, y, *also, checkpoint=NO_CHECKPOINT, **options):
        if checkpoint is not NO_CHECKPOINT:
            return trained(x, y, *also, checkpoint=checkpoint, **options)
        key = (name, x.tobytes(), y.tobytes(), also, tuple(options.items()))
        if key not in known:
            known[key] = trained(x, y, *also, **options)
        return known[key]

    def trained(x, y, classes=K, held=HELD, checkpoint=NO_CHECKPOINT, **options):
        folder = Location(str(tmp_path / f"store-{len(list(tmp_path.iterdir()))}"))
        names = [f"class-{index}" for index in range(classes)]
        store = write_store(folder, x, y, part_rows=700, class_names=names)
        kept = store.rows - held
        with connect(threads=2) as workers:
            rows, rest = store.view(0, kept), store.view(kept)
            return train(name, rows, rest, ProbeOptions(**options), workers, checkpoint=checkpoint)

    return fit


def sample(seed=0, n=N, dim=D, classes=K, apart=1.5):
    """Overlapping classes whose features are correlated and unequal in scale."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(classes, dim)) * apart / np.sqrt(2)
    mixing = np.random.default_rng(8).normal(size=(dim, dim)) * np.geomspace(1, 0.2, dim)[:, None]
    y = rng.integers(0, classes, n).astype(np.int32)
    return ((centres[y] + rng.normal(size=(n, dim))) @ mixing).astype(np.float32), y


def relative(scores):
    """Scores up to what is common to all classes of a row, which decides nothing."""
    return scores - scores.mean(axis=1, keepdims=True)


def accuracy(model, x, y):
    return (model.predict(x) == y).mean()


class TwoPasses(BaseEstimator):
    """What `partial_fit` learns where `fit` would go on until nothing improves."""

    def __init__(self, model):
        self.model = model

    def fit(self, x, y):
        for _ in range(2):
            self.model_ = self.model.partial_fit(x, y, classes=np.unique(y))
        return self

    def predict(self, x):
        return self.model_.predict(x)


REFERENCES = {
    "sgd": lambda: TwoPasses(SGDClassifier(loss="log_loss", random_state=0)),
    "partial-fit": lambda: make_pipeline(StandardScaler(), TwoPasses(SGDClassifier(random_state=0))),
    "lda": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.001),
    "ridge": RidgeClassifier,
    "nearest-mean": NearestCentroid,
    "knn": lambda: KNeighborsClassifier(20, metric="cosine"),
    "forest": lambda: RandomForestClassifier(random_state=0),
    "sample-forest": lambda: RandomForestClassifier(random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(random_state=0),
    "softmax": lambda: LogisticRegression(max_iter=2000),
    "logistic": lambda: LogisticRegression(max_iter=2000),
}
# Their randomness goes by the order of classes, features or rows, so that equal problems give similar models only.
RANDOM = {"sgd", "partial-fit", "forest", "sample-forest", "boosting"}
# Their answers depend on the units of the features, by definition.
UNSCALED = {"sgd", "nearest-mean", "knn"}
OFF_CENTRE = {"sgd", "knn"}


@pytest.fixture
def linear(name):
    if name in {"knn", "forest", "sample-forest", "boosting"}:
        pytest.skip(f"{name} is not linear")


def test_is_as_accurate_as_scikit_learn(fit, name):
    x, y = sample()
    probe = fit(x, y)
    new_x, new_y = sample(seed=1, n=4000)
    reference = REFERENCES[name]().fit(x[:-HELD], y[:-HELD])
    assert accuracy(probe, new_x, new_y) >= accuracy(reference, new_x, new_y) - 0.015


def test_scores_are_those_of_float32_weights_on_the_stored_features(fit, linear):
    x, y = sample()
    probe = fit(x, y)
    assert probe.rule.weight.shape == (K, D)
    assert probe.rule.weight.dtype == probe.rule.bias.dtype == np.float32
    np.testing.assert_allclose(probe.scores(x), x @ probe.rule.weight.T + probe.rule.bias, rtol=1e-5, atol=1e-4)


def test_renaming_the_classes_renames_the_answer(fit, name):
    x, y = sample()
    order = np.array([3, 0, 4, 1, 2])
    one, other = fit(x, y), fit(x, order[y].astype(np.int32))
    if name in RANDOM:
        assert accuracy(other, x, order[y]) == pytest.approx(accuracy(one, x, y), abs=0.15)
        return
    tolerance = 2e-3 * np.abs(one.scores(x)).max()
    np.testing.assert_allclose(relative(other.scores(x)[:, order]), relative(one.scores(x)), atol=tolerance)


def test_a_class_without_training_rows_is_never_predicted(fit):
    x, y = sample()
    y[y == 2] = 3
    probe = fit(x, y)
    assert np.isfinite(probe.scores(x)).all()
    assert not (probe.predict(x * 100) == 2).any()


def test_one_class_only_is_always_predicted(fit):
    x, _ = sample()
    probe = fit(x, np.full(N, 4, np.int32))
    assert (probe.predict(x) == 4).all()


def test_rows_without_a_label_are_ignored_and_counted(fit):
    x, y = sample()
    some = np.random.default_rng(3).random(N) < 0.3
    some[-HELD:] = False
    blank = y.copy()
    blank[some] = -1
    noise = x.copy()
    noise[some] = 1e4
    probe = fit(noise, blank)
    assert probe.details["unlabelled"] == some.sum()
    assert N - probe.details["rows"] - some.sum() in (0, HELD)
    assert accuracy(probe, x, y) > 0.6


def test_no_labels_at_all_is_refused_in_a_sentence(fit):
    x, _ = sample()
    with pytest.raises(InputError, match=r"none of the 1[36]00 training rows of .* has a label"):
        fit(x, np.full(N, -1, np.int32))


@pytest.mark.parametrize("classes", [2, 5])
def test_one_feature_is_enough(fit, name, classes):
    y = np.tile(np.arange(classes), N // classes).astype(np.int32)
    x = (y[:, None] + np.random.default_rng(0).normal(size=(len(y), 1)) * 0.05).astype(np.float32)
    probe = fit(x, y, classes)
    sure = classes == 2 and name != "knn"  # of one feature, angles tell no more than the sign
    assert accuracy(probe, x, y) >= (0.95 if sure else 0.2)


def test_two_classes_are_told_apart(fit):
    x, y = sample(classes=2, apart=4)
    assert accuracy(fit(x, y, 2), *sample(seed=1, classes=2, apart=4)) > 0.9


def test_fewer_rows_than_features_work(fit):
    x, y = sample(n=60, dim=100, apart=6)
    probe = fit(x, y, held=20)
    assert np.isfinite(probe.scores(x)).all()
    assert accuracy(probe, x, y) > 0.6


def test_no_held_out_rows_at_all_work(fit):
    x, y = sample(apart=4)
    assert accuracy(fit(x, y, held=0), x, y) > 0.8


def test_constant_features_change_nothing(fit, name):
    x, y = sample(apart=3)
    wide = np.concatenate([x, np.full((N, 1), 3.3), np.zeros((N, 1))], axis=1).astype(np.float32)
    probe = fit(wide, y)
    assert np.isfinite(probe.scores(wide)).all()
    assert accuracy(probe, wide, y) >= accuracy(fit(x, y), x, y) - (0.1 if name in RANDOM | OFF_CENTRE else 0.005)


def test_features_far_from_the_origin_cost_no_accuracy(fit, name):
    if name in OFF_CENTRE:
        pytest.skip(f"{name} takes features as they are")
    x, y = sample(apart=3)
    far = (x + 1000).astype(np.float32)
    assert accuracy(fit(far, y), far, y) >= accuracy(fit(x, y), x, y) - 0.01


def test_features_of_very_unequal_scale_cost_no_accuracy(fit, name):
    if name in UNSCALED:
        pytest.skip(f"{name} takes features as they are")
    x, y = sample(apart=3)
    scaled = x * np.geomspace(1e-3, 1e3, D).astype(np.float32)
    options = {"shrinkage": 0.0} if name == "lda" else {}
    assert accuracy(fit(scaled, y, **options), scaled, y) >= accuracy(fit(x, y, **options), x, y) - 0.01


def test_a_feature_that_is_not_finite_is_refused(fit, name):
    x, y = sample()
    x[100, 3] = np.nan
    with np.errstate(all="ignore"), pytest.raises(GapscopeError, match="NaN"):
        fit(x, y)


def test_saved_and_loaded_it_is_the_same(fit, tmp_path):
    x, y = sample()
    probe = fit(x, y)
    folder = Location(str(tmp_path / "model"))
    probe.save(folder)
    again = load_model(folder)
    np.testing.assert_array_equal(again.scores(x), probe.scores(x))
    assert (again.name, again.probabilistic, again.details) == (probe.name, probe.probabilistic, probe.details)
    assert sorted(folder.names()) == ["model.json", "model.safetensors"]


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(SchemaError, match="holds no model"):
        load_model(Location(str(tmp_path)))


def test_threads_and_a_cluster_give_the_same_model(name, cluster, tmp_path):
    x, y = sample()
    store = write_store(Location(str(tmp_path / "store")), x, y, part_rows=700)
    fitted = partial(train, name, store.view(0, N - HELD), store.view(N - HELD), ProbeOptions())
    with connect(threads=1) as here, connect(cluster) as there:
        one, other = fitted(here), fitted(there)
    for expected, found in zip(learnt(one, x), learnt(other, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


def learnt(model, x):
    """What a model has learnt: weights and biases where it has such, else its scores."""
    linear = isinstance(model.rule, Linear)
    return (model.rule.weight, model.rule.bias) if linear else (model.scores(x),)


def test_killed_and_started_again_it_ends_in_the_same_model_bit_for_bit(fit, tmp_path):
    x, y = sample()
    whole = fit(x, y)
    folder = Location(str(tmp_path / "checkpoint"))
    for steps in range(1, 8):
        try:
            again = fit(x, y, checkpoint=Mortal(folder, steps))
            break
        except KeyboardInterrupt:
            continue
    else:
        again = fit(x, y, checkpoint=FolderCheckpoint(folder, seconds=0))
    np.testing.assert_array_equal(again.scores(x), whole.scores(x))


class Mortal(FolderCheckpoint):
    """A checkpoint whose process dies behind the `steps`-th state that it saves."""

    def __init__(self, folder, steps):
        super().__init__(folder, seconds=0)
        self.steps = steps

    def save(self, stage, arrays, about):
        super().save(stage, arrays, about)
        self.steps -= 1
        if not self.steps:
            raise KeyboardInterrupt

"""`partial-fit` against scikit-learn itself, fed the same chunks."""

import json
import warnings

import numpy as np
import pytest
from sklearn.linear_model import PassiveAggressiveClassifier, Perceptron, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.utils.class_weight import compute_sample_weight

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError, SchemaError
from gapscope.core.files import read_json, write_json
from gapscope.core.location import Location
from gapscope.probes.model import load_model
from gapscope.probes.options import ProbeOptions
from gapscope.probes.partial_fit import ESTIMATORS, KINDS, LARGEST, Spread
from gapscope.probes.rules.network import Network
from gapscope.probes.train import train
from gapscope.store import ArrayStore
from gapscope.stream import connect

CHUNK = 4096
N, D = 6000, 8
HELD = 1000


def rows_of(classes=4, seed=0, n=N):
    """Overlapping classes, features positive and unequal in scale."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(5).uniform(2, 5, size=(classes, D))
    y = rng.integers(0, classes, n)
    x = np.abs(centres[y] + rng.normal(size=(n, D))) * np.geomspace(1, 30, D)
    return x.astype(np.float32), y.astype(np.int32)


def fitted(x, y, held=HELD, **options):
    store = ArrayStore(x, y, [f"class {index}" for index in range(int(y.max()) + 1)])
    with warnings.catch_warnings(), connect(threads=2) as workers:
        warnings.filterwarnings("ignore", "Class PassiveAggressiveClassifier is deprecated", FutureWarning)
        rows = store.view(0, store.rows - held), store.view(store.rows - held)
        return train("partial-fit", *rows, ProbeOptions(**options), workers)


def reference(model, x, y, held=HELD, passes=2, weights=None):
    """`model` fed the chunks that the probe feeds, then the held-out rows."""
    n = len(x) - held
    for _ in range(passes):
        for start in range(0, n, CHUNK):
            some = slice(start, min(start + CHUNK, n))
            weighed = {} if weights is None else {"sample_weight": weights[some]}
            model.partial_fit(x[some], y[some], classes=np.unique(y), **weighed)
    if held:
        model.partial_fit(x[n:], y[n:])
    return model


def standardised(x, held=HELD):
    kept = x[: len(x) - held].astype(np.float64)
    return (x - kept.mean(axis=0)) / kept.std(axis=0)


def aggressive():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return PassiveAggressiveClassifier(random_state=0)


MODELS = {
    "SGDClassifier": lambda: SGDClassifier(loss="log_loss", average=True, random_state=0),
    "Perceptron": lambda: Perceptron(random_state=0),
    "PassiveAggressiveClassifier": aggressive,
    "GaussianNB": GaussianNB,
    "BernoulliNB": BernoulliNB,
    "MultinomialNB": MultinomialNB,
    "ComplementNB": ComplementNB,
    "MLPClassifier": lambda: MLPClassifier(random_state=0),
}


def test_every_estimator_has_a_rule_and_a_reference_here():
    assert set(ESTIMATORS) == set(KINDS) == set(MODELS)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_it_answers_as_scikit_learn_does(name, classes):
    x, y = rows_of(classes)
    z = x.astype(np.float64) if KINDS[name].positive else standardised(x)
    counts = KINDS[name].counts
    model = reference(MODELS[name](), z if counts else z.astype(np.float32), y, passes=1 if counts else 2)
    probe = fitted(x, y, estimator=name)
    assert (probe.predict(x) == model.predict(z)).mean() >= (0.999 if counts else 0.99)  # steps amplify rounding


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", ["GaussianNB", "BernoulliNB", "MultinomialNB", "MLPClassifier"])
def test_without_held_out_rows_the_probabilities_are_those_of_scikit_learn(name, classes):
    x, y = rows_of(classes)
    view = "raw" if KINDS[name].positive else "standardised"
    z = x.astype(np.float64) if view == "raw" else standardised(x, 0)
    if name == "MLPClassifier":
        z = z.astype(np.float32)
    model = reference(MODELS[name](), z, y, held=0, passes=1)
    probe = fitted(x, y, held=0, estimator=name, view=view, epochs=1)
    assert probe.probabilistic
    assert probe.temperature == 1
    np.testing.assert_allclose(probe.probabilities(x), model.predict_proba(z), atol=2e-3)


def test_the_logistic_loss_of_two_classes_keeps_its_probabilities():
    x, y = rows_of(2)
    model = reference(MODELS["SGDClassifier"](), standardised(x, 0), y, held=0)
    probe = fitted(x, y, held=0)
    np.testing.assert_allclose(probe.probabilities(x), model.predict_proba(standardised(x, 0)), atol=1e-3)


def test_raw_features_are_taken_as_they_are():
    x, y = rows_of()
    model = reference(GaussianNB(), x.astype(np.float64), y, passes=1)
    probe = fitted(x, y, estimator="GaussianNB", view="raw")
    np.testing.assert_array_equal(probe.predict(x), model.predict(x))


def test_balanced_weights_are_those_of_scikit_learn():
    x, y = rows_of()
    some = (y > 0) | (np.arange(N) % 10 == 0)
    x, y = x[some], y[some]
    model = reference(
        GaussianNB(), standardised(x, 0), y, held=0, passes=1, weights=compute_sample_weight("balanced", y)
    )
    probe = fitted(x, y, held=0, estimator="GaussianNB", class_weight="balanced")
    np.testing.assert_allclose(np.exp(probe.rule.log_prior), 1 / 4, atol=1e-9)
    assert (probe.predict(x) == model.predict(standardised(x, 0))).mean() > 0.999


def test_the_temperature_makes_the_scores_of_a_hinge_into_probabilities():
    x, y = rows_of()
    probe = fitted(x, y, loss="hinge")
    new_x, new_y = rows_of(seed=1)
    lost = -np.log(probe.probabilities(new_x)[np.arange(N), new_y]).mean()
    wrong = (probe.predict(new_x) != new_y).mean()
    assert probe.probabilistic
    assert lost < min(np.log(4), 6 * wrong)


def test_naive_bayes_reads_the_rows_once_more_and_the_others_as_often_as_asked():
    x, y = rows_of()
    assert fitted(x, y, estimator="GaussianNB", epochs=5).details["passes"] == 2
    assert fitted(x, y, estimator="Perceptron", epochs=5).details["passes"] == 6


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_class_without_rows_is_never_predicted_by_any_kind_of_rule(name, tmp_path):
    x, y = rows_of()
    probe = fitted(x, np.where(y == 2, 3, y), estimator=name)
    assert np.isfinite(probe.scores(x)).all()
    assert 2 not in probe.predict(x * 50)
    probe.save(Location(str(tmp_path)))
    np.testing.assert_array_equal(load_model(Location(str(tmp_path))).scores(x), probe.scores(x))


def test_log_posteriors_keep_their_differences_far_from_every_class():
    x, y = rows_of()
    probe = fitted(x, y, estimator="GaussianNB")
    far = x[:50] + 1e4
    expected = GaussianNB().fit(x[:N].astype(np.float64), y).predict(far)
    assert (probe.predict(far) == expected).mean() > 0.9
    assert np.isfinite(probe.scores(np.full((1, D), LARGEST / 2))).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": "SGDClasifier"}, "no classifier with partial_fit named .*did you mean 'SGDClassifier'"),
        ({"estimator": "CategoricalNB"}, "CategoricalNB learns by partial_fit, but .* these can: BernoulliNB"),
        ({"estimator": "RandomForestClassifier"}, "no classifier with partial_fit named 'RandomForestClassifier'"),
        ({"loss": "hing"}, "no loss of SGDClassifier named 'hing'; did you mean 'hinge'"),
        ({"view": "whitened"}, "does not whiten"),
        ({"epochs": 0}, "at least one pass"),
        ({"estimator": "ComplementNB", "view": "standardised"}, "ComplementNB .* cannot use standardised"),
        ({"estimator": "PassiveAggressiveClassifier", "class_weight": "balanced"}, "takes no weights of rows"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(options, message):
    with pytest.raises(InputError, match=message):
        fitted(*rows_of(n=200), held=20, **options)


def test_negative_features_are_refused_where_they_have_no_meaning():
    x, y = rows_of(n=200)
    x[7, 3] = -1
    with pytest.raises(InputError, match=r"MultinomialNB needs features that are not negative, and feature 3 .* to -1"):
        fitted(x, y, held=20, estimator="MultinomialNB")


def test_the_spread_does_not_depend_on_the_chunking(rng):
    x, y = rng.normal(1e4, 1, size=(100, 3)).astype(np.float32), rng.integers(-1, 3, 100)
    whole = Spread.of(Chunk(np.arange(100), x, y), 3)
    parts = [Spread.of(Chunk(np.arange(0), x[some], y[some]), 3) for some in np.split(np.arange(100), [0, 1, 40])]
    merged = parts[0].merge(parts[1]).merge(parts[2].merge(parts[3]))
    known = x[y >= 0].astype(np.float64)
    for found in (whole, merged):
        np.testing.assert_allclose(found.mean, known.mean(axis=0))
        np.testing.assert_allclose(found.squares / found.n, known.var(axis=0), rtol=1e-9)
        np.testing.assert_array_equal(found.least, known.min(axis=0))
        np.testing.assert_array_equal(found.count, np.bincount(y[y >= 0], minlength=3))
        assert found.unlabelled == (y < 0).sum()


def test_a_network_with_an_unknown_activation_is_refused(tmp_path):
    with pytest.raises(InputError, match="no activation named 'rely'; did you mean 'relu'"):
        Network(np.zeros(1), np.ones(1), (), (), activation="rely")
    probe = fitted(*rows_of(n=300), held=20, estimator="MLPClassifier")
    probe.save(Location(str(tmp_path)))
    about = Location(str(tmp_path)) / "model.json"
    write_json(about, json.loads(json.dumps(read_json(about)).replace('"relu"', '"rely"')))
    with pytest.raises(SchemaError, match="did you mean 'relu'"):
        load_model(Location(str(tmp_path)))

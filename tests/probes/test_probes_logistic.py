"""`logistic` ends at scikit-learn's converged optimum, and says truly how far from it any point is at most."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from gapscope.core.checkpoint import NO_CHECKPOINT
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT
from gapscope.probes.convex import Aim, minimise
from gapscope.probes.imbalance import class_weights
from gapscope.probes.lbfgs import Lbfgs
from gapscope.probes.options import ProbeOptions
from gapscope.probes.problem import Problem
from gapscope.probes.train import train
from gapscope.store import ArrayStore
from gapscope.stream import connect

N, D = 900, 15


@pytest.fixture
def rows():
    """A function that draws rows of overlapping classes of unequal size, on correlated, skewed features."""

    def draw(classes, n=N, seed=3):
        rng = np.random.default_rng(seed)
        shares = np.arange(1, classes + 1) / np.arange(1, classes + 1).sum()
        y = rng.choice(classes, n, p=shares).astype(np.int32)
        centres = np.random.default_rng(1).normal(size=(classes, D))
        mixing = np.random.default_rng(2).normal(size=(D, D))
        z = centres[y] * 0.7 + rng.normal(size=(n, D))
        z[:, :5] = np.exp(0.6 * z[:, :5])
        return (z @ mixing + 2).astype(np.float32), y

    return draw


def fitted(x, y, held=0, **options):
    store = ArrayStore(x, y, [str(index) for index in range(int(y.max()) + 1)])
    with connect(threads=2) as workers:
        kept = store.rows - held
        return train("logistic", store.view(0, kept), store.view(kept), ProbeOptions(**options), workers)


def relative(scores):
    return scores - scores.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("c", [0.01, 1.0])
@pytest.mark.parametrize("view", ["", "raw", "standardised"])
def test_scores_are_those_of_scikit_learn_at_its_optimum(rows, classes, c, view):
    x, y = rows(classes)
    scaler = StandardScaler(with_mean=False, with_std=view == "standardised").fit(x.astype(np.float64))
    reference = LogisticRegression(C=c, tol=1e-12, max_iter=20_000).fit(scaler.transform(x.astype(np.float64)), y)
    expected = reference.decision_function(scaler.transform(x.astype(np.float64)))
    if classes == 2:
        expected = np.stack([-expected / 2, expected / 2], axis=1)
    found = relative(fitted(x, y, c=c, view=view).scores(x))
    np.testing.assert_allclose(found, relative(expected), atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("member", ["logistic", "softmax"])
@pytest.mark.parametrize("unit", [1.0, 30.0, 2.0**-40])
def test_a_c_without_a_view_is_scikit_learns_on_the_features_as_they_are(rows, member, unit):
    x, y = rows(3)
    x = (x * unit * np.geomspace(0.1, 10, x.shape[1])).astype(np.float32)
    c = 0.05 / unit**2
    reference = LogisticRegression(C=c, tol=1e-12, max_iter=50_000).fit(x.astype(np.float64) / unit, y)
    reference.set_params(C=0.05).fit(x.astype(np.float64) / unit, y)
    store = ArrayStore(x, y, [str(index) for index in range(3)])
    with connect(threads=2) as workers:
        model = train(member, store.view(), store.view(0, 0), ProbeOptions(c=c), workers)
    expected = reference.predict_proba(x.astype(np.float64) / unit)
    np.testing.assert_allclose(model.probabilities(x), expected, atol=5e-3)
    assert model.details["penalty_on"] == "features as stored"


@pytest.mark.parametrize("treatment", ["balanced", "effective-number"])
def test_class_weights_have_the_meaning_of_scikit_learns(rows, treatment):
    x, y = rows(4)
    weights = class_weights(treatment, np.bincount(y))
    given = dict(enumerate(weights)) if treatment == "effective-number" else "balanced"
    reference = LogisticRegression(C=0.3, class_weight=given, tol=1e-12, max_iter=20_000).fit(x.astype(np.float64), y)
    found = fitted(x, y, c=0.3, view="raw", class_weight=treatment)
    expected = relative(reference.decision_function(x.astype(np.float64)))
    np.testing.assert_allclose(relative(found.scores(x)), expected, atol=2e-4 * np.abs(expected).max())


def test_logit_adjustment_shifts_the_optimum_by_the_log_shares(rows):
    x, y = rows(4)
    plain, adjusted = fitted(x, y, c=0.3), fitted(x, y, c=0.3, class_weight="logit-adjustment")
    shift = plain.scores(x) - adjusted.scores(x)
    shares = np.bincount(y) / len(y)
    np.testing.assert_allclose(shift, np.tile(np.log(shares), (len(y), 1)), atol=1e-4)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("away", [0.0, 1e-3, 0.3])
def test_the_bound_is_never_below_the_distance_to_the_optimum(rows, rng, classes, away):
    x, y = rows(classes)
    store = ArrayStore(x, y, list("abcde"))
    with connect(threads=1) as workers:
        options = ProbeOptions(l2=0.02)
        problem = Problem.of(store.view(), "moments", options, workers, SILENT, NO_CHECKPOINT)
        zero = np.zeros((D + 1, classes))
        (optimum,) = minimise(problem.objective, problem.metric, [zero], [0.02], Aim(1e-15, 400), NO_CHECKPOINT, "s")
        point = optimum.minimiser.point + away * rng.normal(size=zero.shape)
        ((value, gradient),) = problem.objective.evaluate([point], [0.02], np.float64, "at")
    bound = problem.objective.bound(point, value, gradient, 0.02)
    distance = value - optimum.minimiser.value
    assert bound.gap >= distance - 1e-13
    assert optimum.bound.gap < 1e-5 * optimum.minimiser.value
    if away == 0.3:
        assert distance > 1e-3


def test_a_smaller_penalty_has_no_bound_but_a_gradient(rows):
    x, y = rows(3, n=3000)
    certificate = fitted(x, y, l2=0.0).details["certificate"]
    assert certificate["bound"] is certificate["relative_bound"] is None
    assert certificate["gradient_norm"] < 1e-5


def test_held_out_rows_choose_the_penalty_and_then_join(rows):
    x, y = rows(5, n=1500)
    details = fitted(x, y, held=300).details
    best = min(details["settings"], key=lambda row: row["log_loss"])
    (chosen,) = (row for row in details["settings"] if row["l2"] * 1200 / 1500 == pytest.approx(details["l2"]))
    assert chosen["l2"] >= best["l2"]
    assert chosen["log_loss"] <= best["log_loss"] + 0.03
    assert (details["rows"], details["holdout_rows"], len(details["settings"])) == (1500, 300, 11)


def test_permuted_labels_score_at_chance(rows, rng):
    x, _ = rows(4, n=2000)
    shuffled = rng.permutation(np.arange(2000) % 4).astype(np.int32)
    model = fitted(x[:1500], shuffled[:1500], held=200)
    assert (model.predict(x[1500:]) == shuffled[1500:]).mean() == pytest.approx(0.25, abs=0.06)


def test_rows_from_disk_give_the_same_model_as_rows_in_memory(make_store, rows):
    x, y = rows(4)
    store = make_store(x, y, part_rows=170)
    models = []
    for memory in (2**30, 1000):
        with connect(threads=2) as workers:
            options = ProbeOptions(c=0.1, memory_bytes=memory)
            models.append(train("logistic", store.view(0, 800), store.view(800), options, workers))
    np.testing.assert_allclose(models[0].scores(x), models[1].scores(x), atol=1e-4)


def test_torch_gives_the_same_model(rows):
    x, y = rows(4)
    one, other = fitted(x, y, c=0.1), fitted(x, y, c=0.1, device="torch:cpu")
    np.testing.assert_allclose(other.scores(x), one.scores(x), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"l2": 0.1, "c": 1.0}, "both given"),
        ({"l2": -1.0}, "l2 is -1"),
        ({"c": 0.0}, "C is 0"),
        ({"class_weight": "balancd"}, "did you mean 'balanced'"),
        ({"class_weight": "balanced-sampling"}, "that is for softmax"),
        ({"view": "withened"}, "did you mean 'whitened'"),
    ],
)
def test_settings_without_a_meaning_are_refused(rows, options, sentence):
    with pytest.raises(InputError, match=sentence):
        fitted(*rows(3), **options)


def test_lbfgs_with_the_inverse_hessian_needs_one_step_on_a_parabola(rng):
    root = rng.normal(size=(6, 6))
    hessian, target = root @ root.T + np.eye(6), rng.normal(size=(6, 1))
    search = Lbfgs(lambda gradient: np.linalg.solve(hessian, gradient), np.zeros((6, 1)))
    for _ in range(2):
        away = search.trial - target
        search.tell(0.5 * np.vdot(away, hessian @ away), hessian @ away)
    np.testing.assert_allclose(search.point, target, atol=1e-10)


def test_lbfgs_continues_from_its_state_as_if_nothing_had_happened(rng):
    def told(search):
        value = float((search.trial**4).sum() + (search.trial**2).sum())
        search.tell(value, 4 * search.trial**3 + 2 * search.trial)

    one = Lbfgs(np.copy, rng.normal(size=(5, 2)) * 3)
    for _ in range(6):
        told(one)
    arrays, values = one.state()
    other = Lbfgs.restore(np.copy, {name: array.copy() for name, array in arrays.items()}, values)
    for _ in range(6):
        told(one)
        told(other)
    np.testing.assert_array_equal(one.point, other.point)


@pytest.mark.parametrize("repeated", [1, 2])
def test_classes_that_lie_far_apart_take_hundreds_of_passes_at_most(repeated):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=200).astype(np.int32)
    x = np.maximum(rng.normal(size=(3, 10))[y] * 2 + rng.normal(size=(200, 10)), 0)
    found = fitted(np.hstack([x] * repeated).astype(np.float32), y, held=20, c=1e4).details
    assert found["passes"] < 500
    assert found["certificate"]["relative_bound"] < 1e-6


@pytest.mark.parametrize("most", [6, 15])
def test_features_whose_units_lie_far_apart_reach_the_optimum_of_the_penalty_on_them_as_they_are(rows, most):
    x, y = rows(3)
    units = np.geomspace(10.0**-most, 10.0**most, D)
    found = fitted((x.astype(np.float64) * units).astype(np.float32), y, c=1.0)
    free = StandardScaler().fit_transform(x.astype(np.float64)[:, units > 1])  # these, the penalty hardly sees
    reference = LogisticRegression(C=1e6, solver="newton-cholesky").fit(free, y)
    loss = -np.log(reference.predict_proba(free)[np.arange(len(y)), y]).mean()
    assert found.details["passes"] < 400
    assert found.details["certificate"]["loss"] < loss + 1e-3


def test_a_limit_of_passes_is_said_where_it_ended_the_training(rows, monkeypatch):
    x, y = rows(3)
    assert not fitted(x, y, c=1.0).details["certificate"]["at_limit"]
    monkeypatch.setattr("gapscope.probes.problem.OPTIMUM_FLOPS", 1.0)
    monkeypatch.setattr("gapscope.probes.problem.FEWEST_EVALUATIONS", 3)
    found = fitted(x, y, c=1.0).details["certificate"]
    assert found["at_limit"]
    assert found["evaluations"] == 3


def test_a_penalty_is_not_chosen_for_what_an_early_stop_on_the_way_to_it_is_worth():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, 30)) * 1.3
    y = (np.arange(1200) % 60).astype(np.int32)
    found = fitted((centres[y] + rng.normal(size=(1200, 30))).astype(np.float32), y, held=300).details
    assert found["l2"] > 1e-3

"""Forecasts of accuracy: each agrees with its definition worked out by brute force, and none looks at target labels."""

from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.special import log_softmax, softmax

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.forecasts import FORECASTS
from gapscope.forecasts.forecast import ForecastOptions, backtested, forecasts, truth
from gapscope.forecasts.nuclear import normalised
from gapscope.forecasts.resampled import seeds
from gapscope.forecasts.scored import (
    Panel,
    _Ask,
    is_kept,
    score,
    scored_predictions,
    temperature_of,
)
from gapscope.forecasts.threshold import thresholds
from gapscope.forecasts.transport import transported
from gapscope.inference import poisson_weights
from gapscope.predictions import Predictions
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.store import in_memory
from gapscope.stream import connect

CLASSES = 4
OPTIONS = ForecastOptions(seed=3, replicates=40)


def predictions(rng, n, sharpness=2.0, model="one", classes=CLASSES, *, scored=True):
    """Predictions of a model that is right about as often as it says."""
    scores = rng.standard_normal((n, classes)) * sharpness
    label = np.array([rng.choice(classes, p=row) for row in softmax(scores, axis=1)], np.int32)
    log = log_softmax(scores, axis=1)
    names = tuple(f"class {index}" for index in range(classes))
    top = np.argsort(-scores, axis=1).astype(np.int32)
    confidence = np.exp(log.max(axis=1)).astype(np.float32)
    return Predictions(model, "toy", "val", names, np.arange(n), label, top, confidence, None, log if scored else None)


@pytest.fixture
def sets(rng):
    """A source and a target, as three models see them."""
    sides = []
    for n, sharpness in ((300, 2.0), (200, 1.2)):
        one = predictions(rng, n, sharpness)
        others = [replace(one, model=name, top=np.roll(one.top, 1, axis=1)) for name in ("two", "three")]
        for other, share in zip(others, (0.8, 0.6), strict=True):
            keep = rng.random(n) < share
            other.top[keep] = one.top[keep]
        sides.append(scored_predictions([one, *others], [1.0, 1.0, 1.0]))
    return sides[0][0], sides[1][0]


def made(source, target, name, options=OPTIONS):
    return forecasts(source, target, [name], options).made[0]


def brute_threshold(score, right):
    """The threshold of the paper for scores without ties: as many rows lie below it as are wrong."""
    return np.sort(score)[int((~right).sum())]


@pytest.mark.parametrize(("name", "column"), [("atc-mc", "confidence"), ("atc-ne", "negative_entropy")])
def test_the_threshold_leaves_as_many_source_rows_below_as_are_wrong(sets, name, column):
    source, target = sets
    cut = brute_threshold(getattr(source, column), source.right)
    assert made(source, target, name).value == pytest.approx((getattr(target, column) >= cut).mean(), abs=1e-12)


@pytest.mark.parametrize("name", ["atc-mc", "atc-ne", "doc", "nuclear-norm"])
def test_a_source_forecasts_its_own_accuracy(sets, name):
    assert made(sets[0], sets[0], name).value == pytest.approx(sets[0].right.mean(), abs=1e-12)


def test_ties_at_the_threshold_are_shared_out(rng):
    score, right = rng.integers(0, 3, 50).astype(float), rng.random(50) < 0.55
    cut, share = thresholds(score, right, np.ones((1, 50), np.uint8))
    assert (score > cut[0]).sum() + share[0] * (score == cut[0]).sum() == pytest.approx(right.sum())
    assert 0 <= share[0] <= 1


def test_replicates_of_a_threshold_are_those_of_the_rows_drawn(sets):
    source, target = sets
    first, second = seeds(3)
    found = made(source, target, "atc-mc", ForecastOptions(seed=3, replicates=1))
    rows = np.repeat(np.arange(source.n), poisson_weights(first, 1, source.sample_id)[0])
    score, right = source.confidence[rows], source.right[rows]
    cut = np.sort(score)[int((~right).sum())]
    tied = (right.sum() - (score > cut).sum()) / (score == cut).sum()
    drawn = np.repeat(target.confidence, poisson_weights(second, 1, target.sample_id)[0])
    assert found.low == found.high == pytest.approx(((drawn > cut) + tied * (drawn == cut)).mean())


def test_average_confidence_and_its_difference_are_means(sets):
    source, target = sets
    assert made(source, target, "average-confidence").value == pytest.approx(target.confidence.mean())
    expected = source.right.mean() - (source.confidence.mean() - target.confidence.mean())
    assert made(source, target, "doc").value == pytest.approx(expected)


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "classes"), [(40, 3), (150, 10), (60, 1)])
def test_the_transport_is_that_of_the_assignment_of_rows_to_labels(rng, n, classes, precision):
    p = softmax(2 * rng.standard_normal((n, classes)), axis=1).astype(precision)
    label = rng.integers(0, classes, n)
    rows, columns = linear_sum_assignment(-p[:, label])
    best = p[:, label][rows, columns].mean(dtype=np.float64)
    plan = transported(p, np.bincount(label, minlength=classes) / n)
    assert plan.low - 1e-9 <= best <= plan.high + 1e-9
    assert plan.high - plan.low < 1e-3


def test_a_class_that_the_source_lacks_is_given_to_no_row(rng):
    p = softmax(rng.standard_normal((50, 3)), axis=1)
    plan = transported(p, np.array([0.5, 0.5, 0.0]))
    without = transported(p[:, :2], np.array([0.5, 0.5]))
    assert plan.high == pytest.approx(without.high)
    assert (p - plan.prices).argmax(axis=1).max() == 1


def test_the_cost_of_transport_is_half_the_sum_of_differences_to_the_labels(sets):
    source, target = sets
    label = np.resize(source.label, 100)
    p = target.probabilities[:100].astype(np.float64)
    cost = 0.5 * np.abs(p[:, None, :] - np.eye(CLASSES)[label][None]).sum(axis=2)
    rows, columns = linear_sum_assignment(cost)
    plan = transported(p, np.bincount(label, minlength=CLASSES) / 100)
    assert 1 - cost[rows, columns].mean() == pytest.approx(plan.high, abs=1e-3)


@pytest.mark.parametrize(("n", "classes"), [(200, 5), (3, 5)])
def test_the_nuclear_norm_is_the_sum_of_the_singular_values(rng, n, classes):
    p = softmax(rng.standard_normal((n, classes)), axis=1)
    expected = np.linalg.svd(p, compute_uv=False).sum() / np.sqrt(n * classes)
    assert normalised(p.T @ p / n) == pytest.approx(expected, abs=1e-7)


def test_disagreement_is_the_mean_over_the_other_models(sets):
    answers = sets[1].heads.predicted
    expected = np.mean([(answers[:, 0] == answers[:, other]).mean() for other in (1, 2)])
    assert made(*sets, "gde").value == pytest.approx(expected)


@pytest.mark.parametrize("name", list(FORECASTS))
def test_no_forecast_sees_a_target_label(sets, rng, name):
    source, target = sets
    shuffled = rng.permutation(target.label)
    others = [
        replace(target, label=label, heads=replace(target.heads, label=label))
        for label in (shuffled, np.full(target.n, -1, np.int32))
    ]
    found = made(source, target, name)
    assert all(made(source, other, name) == found for other in others)


@pytest.mark.parametrize("name", list(FORECASTS))
def test_the_interval_holds_the_forecast_and_is_between_nothing_and_all(sets, name):
    found = made(*sets, name, ForecastOptions(seed=1, replicates=200))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert found.sentence


@pytest.mark.parametrize("name", ["average-confidence", "doc", "atc-mc", "atc-ne", "cot", "nuclear-norm", "gde"])
def test_the_interval_is_as_wide_as_the_forecasts_of_many_samples_scatter(name):
    sides = np.random.default_rng(5), np.random.default_rng(6)
    found, widths = [], []
    for _ in range(60):
        one, other = (predictions(rng, 200, s) for rng, s in zip(sides, (2.0, 1.2), strict=True))
        pair = [
            scored_predictions([side, replace(side, top=side.top[:, [1, 0, 2, 3]])], [1.0, 1.0])
            for side in (one, other)
        ]
        if name == "gde":
            for side in pair:
                side[0].heads.predicted[: side[0].n // 2, 1] = side[0].heads.predicted[: side[0].n // 2, 0]
                order = sides[0].permutation(side[0].n)
                agree = sides[0].random(side[0].n) < 0.5
                side[0].heads.predicted[order, 1] = np.where(agree, side[0].heads.predicted[order, 0], -5)
        forecast = made(pair[0][0], pair[1][0], name, ForecastOptions(replicates=60))
        found.append(forecast.value)
        widths.append((forecast.high - forecast.low) / 3.92)
    assert np.mean(widths) == pytest.approx(np.std(found), rel=0.45)


def linear(rng, dim=6, classes=CLASSES):
    rule = Linear(rng.standard_normal((classes, dim)).astype(np.float32), np.zeros(classes, np.float32))
    return Classifier("softmax", rule, class_names=tuple(f"class {index}" for index in range(classes)))


@dataclass(frozen=True)
class Columns:
    """A model whose scores are the first features, so that they do not depend on which rows stand together."""

    class_names: tuple[str, ...] = tuple(f"class {index}" for index in range(CLASSES))

    def scores(self, x):
        return x[:, :CLASSES]


@pytest.fixture
def panel(rng):
    models = tuple(linear(rng) for _ in range(2))
    return Panel(models, ("one", "two"), (1.5, 0.7))


def test_answers_do_not_depend_on_the_chunks(rng):
    panel = Panel((Columns(), Columns()), ("one", "two"), (1.5, 0.7))
    x, y = rng.standard_normal((300, 6)).astype(np.float32), rng.integers(-1, CLASSES, 300)
    ask = _Ask(panel, np.arange(CLASSES), 0.5, labelled_only=False)
    whole = ask(Chunk(np.arange(300), x, y))
    cuts = [0, *np.sort(rng.integers(0, 300, 20)), 300]
    parts = reduce(
        lambda a, b: a.merge(b),
        [ask(Chunk(np.arange(300)[a:b], x[a:b], y[a:b])) for a, b in pairwise(cuts)],
    )
    for one, other in zip(whole[:-1], parts[:-1], strict=True):
        np.testing.assert_array_equal(np.concatenate(one), np.concatenate(other))
    np.testing.assert_allclose(whole.gram, parts.gram, rtol=1e-10)


def test_one_read_of_a_view_gives_what_predictions_in_memory_give(make_store, rng, panel):
    x, y = rng.standard_normal((300, 6)).astype(np.float32), rng.integers(-1, CLASSES, 300)
    store = make_store(x, y)
    with connect(threads=2) as workers:
        known = score(store.view(), panel, np.arange(CLASSES), workers, labelled_only=True)[1]
        asked = score(in_memory(store.view()), panel, np.arange(CLASSES), workers)[1]
    scores = [model.scores(x) for model in panel.models]
    names = panel.models[0].class_names
    files = [
        Predictions("m", "toy", "train", names, np.arange(300), y.astype(np.int32), s.argmax(axis=1)[:, None], scores=s)
        for s in scores
    ]
    plain = scored_predictions(files, panel.temperatures)[1]
    kept = scored_predictions([one.labelled() for one in files], panel.temperatures)[1]
    for name in FORECASTS:
        if name.startswith("aline"):
            continue
        ours, theirs = made(known, asked, name), made(kept, plain, name)
        assert ours.value == pytest.approx(theirs.value, abs=1e-9)
        assert ours.low == pytest.approx(theirs.low, abs=1e-9)
    assert truth(asked).value == truth(plain).value


def test_the_rows_whose_probabilities_are_kept_are_a_fair_share():
    assert is_kept(np.arange(10_000), 1.5).all()
    assert is_kept(np.arange(10_000), 0.3).mean() == pytest.approx(0.3, abs=0.01)
    assert not is_kept(np.arange(10_000), 0.0)[1:].any()


def test_scaling_the_scores_changes_the_temperature_and_no_forecast(rng):
    one, other = predictions(rng, 400), predictions(rng, 300, 1.0)
    values = []
    for factor in (1.0, 3.0):
        hot, cold = (replace(side, scores=side.scores * factor) for side in (one, other))
        temperature = temperature_of(hot.scores, hot.label)
        pair = [scored_predictions([side], [temperature])[0] for side in (hot, cold)]
        values.append([made(*pair, name).value for name in ("average-confidence", "atc-ne", "cot")])
    np.testing.assert_allclose(*values, atol=2e-3)


def test_methods_that_a_set_has_nothing_for_are_named_with_the_reason(rng):
    one, other = (predictions(rng, 50, scored=False) for _ in range(2))
    found = forecasts(scored_predictions([one], [1.0])[0], scored_predictions([other], [1.0])[0])
    assert [one.name for one in found.made] == ["average-confidence", "doc", "atc-mc"]
    assert any(line.startswith("No ATC NE, COT, nuclear norm: there are no probabilities") for line in found.left_out)
    assert any("GDE: there are fewer than two models" in line for line in found.left_out)
    bare = [replace(side, confidence=None) for side in (one, other)]
    nothing = forecasts(*(scored_predictions([side], [1.0])[0] for side in bare))
    assert not nothing.made


def test_scores_that_are_called_confidence_are_not_taken_for_probabilities(rng):
    one = predictions(rng, 50, scored=False)
    assert scored_predictions([replace(one, confidence=one.confidence * 7)], [1.0])[0].confidence is None


def test_a_perfect_source_has_no_place_on_the_line(sets):
    source, target = sets
    label = source.predicted
    perfect = replace(source, label=label, heads=replace(source.heads, label=label))
    found = forecasts(perfect, target, ["atc-mc", "aline-s"], OPTIONS).made
    assert found[0].value == (target.confidence >= source.confidence.min()).mean()
    assert np.isnan(found[1].value)
    assert "exactly 100 % on toy/val has no place on a probit axis" in found[1].sentence


def test_a_model_that_is_never_right_is_expected_to_stay_so(sets):
    source, target = sets
    label = (source.predicted + 1) % CLASSES
    wrong = replace(source, label=label, heads=replace(source.heads, label=label))
    assert made(wrong, target, "atc-mc").value == 0
    assert made(wrong, target, "atc-ne").value == 0


def test_confidences_that_are_all_one_leave_the_source_accuracy(sets):
    sides = [replace(side, confidence=np.ones(side.n), negative_entropy=np.zeros(side.n)) for side in sets]
    for name in ("atc-mc", "atc-ne", "doc"):
        assert made(*sides, name).value == pytest.approx(sets[0].right.mean())
    assert made(*sides, "average-confidence").value == 1


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows_and_one_class_give_numbers_and_no_warning(rng, n):
    one = predictions(rng, n, classes=1)
    two = replace(one, model="two")
    pair = scored_predictions([one, two], [1.0, 1.0])[0]
    found = forecasts(pair, pair, (), OPTIONS)
    assert {forecast.value for forecast in found.made} == {1.0}
    few = scored_predictions([predictions(rng, n)], [1.0])[0]
    assert all(np.isfinite(one.value) for one in forecasts(few, few, (), OPTIONS).made)


def test_sets_without_rows_or_labels_are_refused(sets):
    source, target = sets
    with pytest.raises(InputError, match="no labelled row to learn a forecast from"):
        forecasts(source.blind(), target)
    empty = replace(target, **{name: getattr(target, name)[:0] for name in ("sample_id", "label", "predicted")})
    with pytest.raises(InputError, match="has no rows to make a forecast for"):
        forecasts(source, empty)


def test_unlabelled_source_rows_teach_nothing(sets):
    source, target = sets
    label = np.where(np.arange(source.n) < 200, source.label, -1)
    some = replace(source, label=label, heads=replace(source.heads, label=label))
    known = some.labelled()
    assert known.n == 200
    assert (known.kept == np.arange(200)).all()
    expected = (target.confidence >= brute_threshold(source.confidence[:200], source.right[:200])).mean()
    assert made(some, target, "atc-mc").value == pytest.approx(expected)


def test_the_back_test_is_estimate_minus_truth(sets):
    found, forecast = truth(sets[1]), made(*sets, "gde")
    assert found.value == sets[1].right.mean()
    assert backtested(forecast, found) == pytest.approx(forecast.value - sets[1].right.mean())
    assert truth(sets[1].blind()) is None


def test_features_that_are_not_finite_are_refused(make_store, rng, panel):
    x = rng.standard_normal((20, 6)).astype(np.float32)
    x[3, 2] = np.nan
    with connect(threads=1) as workers, pytest.raises(InputError, match="NaN or infinite"):
        score(make_store(x, np.zeros(20, int)).view(), panel, np.arange(1), workers)
